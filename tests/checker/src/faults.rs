//! The seam to what goes wrong during a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;

/// How far a run is, as its clients and its faults tell each other.
#[derive(Debug, Default)]
pub struct Course {
    over: AtomicBool,
    /// Since the last master that was killed was replaced; none while it is, or none was.
    recovered: Mutex<Option<Instant>>,
    killed: AtomicBool,
}

impl Course {
    /// Nothing new is begun from now on.
    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    /// Whether nothing new is to be begun.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// A master is about to be killed: what it has not passed on to its replica will be lost.
    pub fn replace(&self) {
        *self.recovered.lock() = None;
        self.killed.store(true, Ordering::SeqCst);
    }

    /// Every engine has found the new master: nothing is lost from now on.
    pub fn recover(&self) {
        *self.recovered.lock() = Some(Instant::now());
    }

    /// Whether a master has been killed in this run.
    #[must_use]
    pub fn may_have_lost_any(&self) -> bool {
        self.killed.load(Ordering::SeqCst)
    }

    /// Whether what was answered at `told`, and everything before, may have been lost.
    #[must_use]
    pub fn may_have_lost(&self, told: Option<Instant>) -> bool {
        let recovered = *self.recovered.lock();
        self.may_have_lost_any() && recovered.is_none_or(|at| told.is_none_or(|told| told <= at))
    }
}

/// How long a failover took, from the moment the master was killed.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    /// Until its replica was master.
    pub replaced: Duration,
    /// Until every engine could invalidate on every master again.
    pub recovered: Duration,
}

/// What went wrong on purpose.
#[derive(Debug, Default)]
pub struct Done {
    /// How often.
    pub faults: u64,
    /// How often a replica took over from a master that was not killed: it was silent for too
    /// long, as it is where a machine has too much to do. What was told to it then is lost.
    pub unasked: u64,
    /// What each failover took.
    pub recoveries: Vec<Recovery>,
}

/// Something that goes wrong again and again.
pub trait Faults: Send {
    /// Goes on until the run is over, or until it went wrong as often as it should; then all is
    /// well again.
    fn run(self: Box<Self>, random: Rng, course: Arc<Course>) -> BoxFuture<'static, Done>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_told_before_the_recovery_may_be_lost() {
        let course = Course::default();
        let told = Some(Instant::now());
        assert!(!course.may_have_lost(told) && !course.may_have_lost(None));
        course.replace();
        assert!(course.may_have_lost(Some(Instant::now())));
        course.recover();
        assert!(course.may_have_lost(told) && course.may_have_lost(None));
        let later = Instant::now() + Duration::from_millis(1);
        assert!(!course.may_have_lost(Some(later)));
    }
}
