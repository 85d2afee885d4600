//! Measuring in turns, so that whatever else the machine does falls on all subjects alike.

use std::time::{Duration, Instant};

use anyhow::Result;
use larder::Request;

use crate::question::Subject;

/// How long one subject runs in one round.
const SLICE: Duration = Duration::from_millis(10);

/// Nanoseconds of one decision for each subject: the median of `rounds`.
///
/// # Errors
/// A subject failed.
pub fn measure(
    subjects: &mut [Box<dyn Subject>],
    request: &Request,
    rounds: usize,
) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for subject in &mut *subjects {
        times.push(times_for(subject.as_mut(), request)?);
    }
    let mut all = vec![Vec::with_capacity(rounds); subjects.len()];
    for _ in 0..rounds {
        for ((subject, &times), all) in subjects.iter_mut().zip(&times).zip(&mut all) {
            let started = Instant::now();
            subject.run(request, times)?;
            all.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(times));
        }
    }
    Ok(all.iter_mut().map(|one| median(one)).collect())
}

/// How many decisions fill a slice; finding that out warms the subject up.
fn times_for(subject: &mut dyn Subject, request: &Request) -> Result<u32> {
    let mut times = 16;
    loop {
        let started = Instant::now();
        subject.run(request, times)?;
        if started.elapsed() >= SLICE || times >= 1 << 24 {
            return Ok(times);
        }
        times *= 2;
    }
}

/// The middle one of `values`; 0 of none.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_round_does_not_move_the_median() {
        assert_eq!(median(&mut [3.0, 900.0, 1.0, 2.0, 4.0]), 3.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
