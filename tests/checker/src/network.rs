//! A network that breaks: cut, swallowing, slow.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::faults::{Course, Done, Faults};
use crate::proxy::{Mode, Proxy, Which};
use crate::servers::Servers;

/// How often connections that were opened during a fault join it.
const JOIN: Duration = Duration::from_millis(50);

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every connection, or those that tell of changes, in turns; servers pause.
    All,
    /// The connections that tell of changes, and no other.
    Tracking,
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Connections misbehave.
    Links(Which, Mode),
    /// A server stops for a while, with its connections open.
    Pause,
}

/// Breaks connections to each of some servers.
pub struct Network {
    /// In front of the servers.
    pub proxies: Vec<Arc<Proxy>>,
    /// Of which a master may pause, where that makes nobody take its place.
    pub servers: Arc<Mutex<Servers>>,
    /// What is broken.
    pub scope: Scope,
    /// Ends the run after so many faults.
    pub times: Option<u64>,
}

impl Network {
    async fn misbehave(self, mut random: Rng, course: Arc<Course>) -> Done {
        let pauses = self.servers.lock().await.may_pause();
        let mut faults = 0;
        while !course.is_over() && self.times.is_none_or(|times| faults < times) {
            sleep(quiet(&mut random, self.scope)).await;
            let (fault, lasts) = choose(&mut random, self.scope, pauses);
            let at = match random.u8(..3) {
                0 => None,
                _ => Some(random.usize(..self.proxies.len())),
            };
            match fault {
                Fault::Pause => self.servers.lock().await.pause(&mut random, lasts).await,
                Fault::Links(which, mode) => self.hold(at, which, mode, lasts).await,
            }
            faults += 1;
        }
        self.set(None, Which::All, Mode::Pass);
        Done {
            faults,
            ..Done::default()
        }
    }

    /// Only the links that tell of changes are kept broken when they are opened again; for others
    /// new connections are part of what is tried.
    async fn hold(&self, at: Option<usize>, which: Which, mode: Mode, lasts: Duration) {
        self.set(at, which, mode);
        if lasts.is_zero() {
            return;
        }
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            sleep(JOIN.min(until - Instant::now())).await;
            if which == Which::Tracking {
                self.set(at, which, mode);
            }
        }
        self.set(None, Which::All, Mode::Pass);
    }

    fn set(&self, at: Option<usize>, which: Which, mode: Mode) {
        for (n, proxy) in self.proxies.iter().enumerate() {
            if at.is_none_or(|at| at == n) {
                proxy.set(which, mode);
            }
        }
    }
}

impl Faults for Network {
    fn run(self: Box<Self>, random: Rng, course: Arc<Course>) -> BoxFuture<'static, Done> {
        Box::pin(self.misbehave(random, course))
    }
}

/// How long all is well before the next fault: long enough for tracking to be back.
fn quiet(random: &mut Rng, scope: Scope) -> Duration {
    Duration::from_millis(match scope {
        Scope::All => random.u64(500..2_000),
        Scope::Tracking => random.u64(300..1_200),
    })
}

/// The next fault, and how long it lasts; a cut is over at once.
fn choose(random: &mut Rng, scope: Scope, pauses: bool) -> (Fault, Duration) {
    // Silence is what keeps outdated copies longest.
    let (kinds, longest): (&[u8], _) = match (scope, pauses) {
        (Scope::Tracking, _) => (&[0, 1, 2, 3, 2, 3], 4_000),
        (Scope::All, false) => (&[0, 1, 2, 3, 4], 2_500),
        (Scope::All, true) => (&[0, 1, 2, 3, 4, 5], 2_500),
    };
    let which = match scope == Scope::Tracking || random.bool() {
        true => Which::Tracking,
        false => Which::All,
    };
    let (mode, lasts) = match kinds[random.usize(..kinds.len())] {
        0 => (Mode::CutAfter(0), 0),
        1 => (Mode::CutAfter(random.usize(1..200)), 0),
        2 => (Mode::BlackHole, random.u64(100..longest)),
        3 => (Mode::HalfOpen, random.u64(100..longest)),
        4 => (Mode::Delay(Duration::from_millis(random.u64(1..20))), 500),
        _ => {
            let lasts = Duration::from_millis(random.u64(100..longest));
            return (Fault::Pause, lasts);
        }
    };
    (Fault::Links(which, mode), Duration::from_millis(lasts))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(scope: Scope, pauses: bool) -> Vec<(Fault, Duration)> {
        let mut random = Rng::with_seed(7);
        let faults = (0..1_000).map(|_| choose(&mut random, scope, pauses));
        faults.collect()
    }

    #[test]
    fn the_scope_is_kept_and_every_kind_comes() {
        let tracking = chosen(Scope::Tracking, true);
        let own = |fault: &Fault| matches!(fault, Fault::Links(Which::Tracking, _));
        assert!(tracking.iter().all(|(fault, _)| own(fault)));
        let bound = crate::truth::BOUND;
        assert!(tracking.iter().any(|(_, lasts)| *lasts > bound));
        let all = chosen(Scope::All, false);
        for wanted in [
            Fault::Links(Which::All, Mode::BlackHole),
            Fault::Links(Which::Tracking, Mode::HalfOpen),
            Fault::Links(Which::All, Mode::CutAfter(0)),
        ] {
            assert!(all.iter().any(|(fault, _)| *fault == wanted), "{wanted:?}");
        }
        let paused = |all: &[(Fault, _)]| all.iter().any(|(fault, _)| *fault == Fault::Pause);
        assert!(!paused(&all) && paused(&chosen(Scope::All, true)));
    }
}
