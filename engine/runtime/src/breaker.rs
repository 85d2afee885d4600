//! A circuit breaker: an origin that keeps failing is left alone for a while, then tried with one
//! call at a time.
//!
//! It reads no clock and rolls no dice: `now_ms` counts from any fixed moment and never goes back,
//! `random` lies in `0.0..1.0`.

use serde::{Deserialize, Serialize};

/// Parts of the sliding window; the oldest is forgotten whole.
const PARTS: u64 = 10;

/// What is answered to those who ask while the one call of a half open breaker is under way, in
/// milliseconds, unless the breaker opens for a shorter time anyway.
const PROBE_RETRY_MS: u64 = 1_000;

/// When an origin counts as down, and for how long it is left alone.
///
/// A call fails that cannot reach the origin, gets no answer in time or a broken one, or is told
/// that the origin failed. Absence, a refused request and a value that is too large are answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerConfig {
    /// It opens when this share of the calls in the window has failed, in percent. 0 turns it off.
    /// Default: 50.
    pub failure_percent: u8,
    /// It stays closed while the window holds fewer calls than this. Default: 20.
    pub minimum_calls: u32,
    /// How long a call counts, in milliseconds. Default: 10 s.
    pub window_ms: u64,
    /// How long it stays open before one call is let through, in milliseconds. Default: 5 s.
    pub open_ms: u64,
    /// By how much of `open_ms` it may stay open longer, at random, in percent, so that nodes do
    /// not try at the same moment. Default: 20.
    pub jitter_percent: u8,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            failure_percent: 50,
            minimum_calls: 20,
            window_ms: 10_000,
            open_ms: 5_000,
            jitter_percent: 20,
        }
    }
}

impl BreakerConfig {
    /// What is wrong with it, if anything.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.failure_percent > 100 {
            return Err(format!(
                "breaker.failure_percent is {} and must be 0 to 100",
                self.failure_percent
            ));
        }
        if self.failure_percent > 0 && (self.window_ms == 0 || self.open_ms == 0) {
            return Err(
                "breaker.window_ms and breaker.open_ms must not be 0; failure_percent = 0 turns \
                 the breaker off"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// What a breaker does with calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// They pass.
    Closed,
    /// One at a time passes, to see whether the origin is back.
    HalfOpen,
    /// They are refused.
    Open,
}

impl State {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

/// How a call ended, as far as the origin is to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Answered,
    Failed,
    /// It was given up before anybody could say.
    Unknown,
}

/// A call that was let through. What became of it counts only while the breaker is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

#[derive(Debug)]
enum Phase {
    Closed(Window),
    HalfOpen { probing: bool },
    Open { until_ms: u64 },
}

/// The breaker of one origin.
#[derive(Debug)]
pub(crate) struct Breaker {
    config: BreakerConfig,
    phase: Phase,
    /// Counts changes of the phase, and probes.
    turn: u64,
}

impl Breaker {
    pub(crate) fn new(config: BreakerConfig) -> Self {
        Self {
            config,
            phase: Phase::Closed(Window::default()),
            turn: 0,
        }
    }

    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Closed(_) => State::Closed,
            Phase::HalfOpen { .. } => State::HalfOpen,
            Phase::Open { .. } => State::Open,
        }
    }

    /// How long a call would have to wait, in milliseconds; none where it would pass.
    pub(crate) fn refusal(&self, now_ms: u64) -> Option<u64> {
        match self.phase {
            Phase::Open { until_ms } if now_ms < until_ms => Some(until_ms - now_ms),
            Phase::HalfOpen { probing: true } => Some(PROBE_RETRY_MS.min(self.config.open_ms)),
            _ => None,
        }
    }

    /// Lets a call through, or says how long to wait, in milliseconds.
    pub(crate) fn admit(&mut self, now_ms: u64) -> Result<Ticket, u64> {
        if let Some(retry_after_ms) = self.refusal(now_ms) {
            return Err(retry_after_ms);
        }
        if !matches!(self.phase, Phase::Closed(_)) {
            self.turn_to(Phase::HalfOpen { probing: true });
        }
        Ok(Ticket(self.turn))
    }

    /// Takes note of how a call ended. Every ticket has to come back here.
    pub(crate) fn settle(&mut self, ticket: Ticket, verdict: Verdict, now_ms: u64, random: f64) {
        if ticket.0 != self.turn || self.config.failure_percent == 0 {
            return;
        }
        match (&mut self.phase, verdict) {
            (Phase::Closed(_), Verdict::Unknown) | (Phase::Open { .. }, _) => {}
            (Phase::Closed(window), verdict) => {
                let (calls, failures) =
                    window.add(now_ms, self.config.window_ms, verdict == Verdict::Failed);
                let enough = calls >= u64::from(self.config.minimum_calls);
                let share = u64::from(self.config.failure_percent);
                if verdict == Verdict::Failed && enough && failures * 100 >= share * calls {
                    self.open(now_ms, random);
                }
            }
            (Phase::HalfOpen { .. }, Verdict::Answered) => {
                self.turn_to(Phase::Closed(Window::default()));
            }
            (Phase::HalfOpen { .. }, Verdict::Failed) => self.open(now_ms, random),
            (Phase::HalfOpen { probing }, Verdict::Unknown) => *probing = false,
        }
    }

    fn open(&mut self, now_ms: u64, random: f64) {
        let most = self.config.open_ms as f64 * f64::from(self.config.jitter_percent) / 100.0;
        let open_ms = self.config.open_ms.saturating_add((most * random) as u64);
        self.turn_to(Phase::Open {
            until_ms: now_ms.saturating_add(open_ms),
        });
    }

    fn turn_to(&mut self, phase: Phase) {
        self.phase = phase;
        self.turn += 1;
    }
}

/// Calls and failures of late.
#[derive(Debug, Default)]
struct Window {
    parts: [(u32, u32); PARTS as usize],
    /// The number of the newest part since time began.
    newest: u64,
}

impl Window {
    /// Counts a call and answers how many there are now, and how many of them failed.
    fn add(&mut self, now_ms: u64, window_ms: u64, failed: bool) -> (u64, u64) {
        let part = now_ms / (window_ms / PARTS).max(1);
        if part > self.newest {
            for gone in 1..=(part - self.newest).min(PARTS) {
                self.parts[((self.newest + gone) % PARTS) as usize] = (0, 0);
            }
            self.newest = part;
        }
        let at = &mut self.parts[(self.newest % PARTS) as usize];
        *at = (
            at.0.saturating_add(1),
            at.1.saturating_add(u32::from(failed)),
        );
        self.parts.iter().fold((0, 0), |(calls, failures), part| {
            (calls + u64::from(part.0), failures + u64::from(part.1))
        })
    }
}

#[cfg(test)]
mod tests;
