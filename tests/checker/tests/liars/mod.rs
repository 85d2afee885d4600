//! Subjects that break one promise each: the run has to see that one, and no other.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use larder::core::dependency::Mode;
use larder_checker::faults::{Course, Done, Faults};
use larder_checker::run::{Plan, run};
use larder_checker::subject::{Answer, Subject, Way};
use larder_checker::truth::{BOUND, Truth, Violation, value};
use parking_lot::Mutex;

use crate::{ENGINES, plan, truth};

/// What is wrong with a [`Liar`].
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    None,
    /// Forgets to forget, on every node.
    Deaf,
    /// Hears only what is said on the same node.
    DeafToOthers,
    /// Answers what will be written next.
    Invents,
    /// Answers somebody else's value.
    Swaps,
    /// Answers every other read from before the last change, and no invalidation but by an error.
    Wavers,
}

/// A map for each node; every change is told to all of them at once, unless it lies.
struct Liar {
    lie: Lie,
    truth: Arc<Truth>,
    nodes: Vec<Mutex<HashMap<usize, u64>>>,
}

impl Liar {
    fn new(lie: Lie, truth: &Arc<Truth>) -> Self {
        Self {
            lie,
            truth: Arc::clone(truth),
            nodes: (0..ENGINES).map(|_| Mutex::default()).collect(),
        }
    }

    fn answer(&self, on: usize, key: usize) -> String {
        // The lock is held while the origin is asked, so this map is never outdated by itself.
        let mut node = self.nodes[on].lock();
        let kept = *node.entry(key).or_insert_with(|| self.truth.committed(key));
        match self.lie {
            Lie::Invents => value(key, self.truth.committed(key) + 1_000_000),
            Lie::Swaps => value(key + 2, kept),
            Lie::Wavers => {
                let now = self.truth.committed(key);
                value(key, now - u64::from(now > 1 && fastrand::bool()))
            }
            _ => value(key, kept),
        }
    }

    fn change(&self, on: usize, key: usize) -> Result<(), String> {
        for (at, node) in self.nodes.iter().enumerate() {
            let heard = match self.lie {
                Lie::Deaf => false,
                Lie::DeafToOthers => at == on,
                _ => true,
            };
            if heard {
                node.lock().remove(&key);
            }
        }
        match self.lie {
            Lie::Wavers => Err("nobody was told".to_owned()),
            _ => Ok(()),
        }
    }
}

impl Subject for Liar {
    fn read(&self, on: usize, key: usize) -> BoxFuture<'_, Result<Answer, String>> {
        Box::pin(async move {
            // Not so fast that every node soon changes every key itself.
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(Answer {
                text: self.answer(on, key),
                stale: false,
                hit: true,
            })
        })
    }

    fn write(&self, on: usize, key: usize) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move {
            self.truth.commit(key);
            self.change(on, key)
        })
    }

    fn invalidate(
        &self,
        on: usize,
        key: usize,
        _: Way,
        _: Mode,
    ) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async move { self.change(on, key) })
    }
}

/// Lets a run last for so long, and says that a master was killed if it should.
struct Lasts(Duration, bool);

impl Faults for Lasts {
    fn run(self: Box<Self>, _: fastrand::Rng, course: Arc<Course>) -> BoxFuture<'static, Done> {
        Box::pin(async move {
            if self.1 {
                course.replace();
            }
            tokio::time::sleep(self.0).await;
            Done::default()
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_sees_each_lie_for_what_it_is() {
    let short = Duration::from_millis(500);
    for (lie, seen, lasts) in [
        (Lie::None, None, short),
        (Lie::Deaf, Some(Violation::Stale), short),
        (
            Lie::DeafToOthers,
            Some(Violation::Late),
            BOUND + short + short,
        ),
        (Lie::Invents, Some(Violation::NeverWritten), short),
        (Lie::Swaps, Some(Violation::Foreign), short),
        (Lie::Wavers, None, short),
    ] {
        let plan = Plan {
            operations: u64::MAX,
            clients: 4,
            keys: match lie {
                // Many, so that a node changes few of them itself while the bound passes.
                Lie::DeafToOthers => 600,
                // Few, so that each is changed and read again in the time there is.
                _ => 30,
            },
            ..plan(0)
        };
        let truth = truth(&plan);
        let liar = Arc::new(Liar::new(lie, &truth));
        let report = run(&plan, liar, truth, Some(Box::new(Lasts(lasts, false)))).await;
        for kind in [
            Violation::Stale,
            Violation::Late,
            Violation::NeverWritten,
            Violation::Foreign,
        ] {
            // Who is deaf to all is late as well; who is deaf to others hears of its own.
            let either = lie == Lie::Deaf && kind == Violation::Late;
            let (found, expected) = (report.of(kind) > 0, seen == Some(kind));
            assert!(found == expected || either, "{lie:?}, {kind:?}: {report}");
        }
        let backwards = report.backwards() > 0;
        assert!(backwards || lie != Lie::Wavers, "{lie:?}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failover_lost_is_excused_until_entries_end_and_no_longer() {
    let plan = Plan {
        operations: u64::MAX,
        clients: 4,
        ttl: Duration::ZERO,
        ..plan(0)
    };
    let truth = truth(&plan);
    let deaf = Arc::new(Liar::new(Lie::Deaf, &truth));
    let lasts = Lasts(BOUND + Duration::from_secs(1), true);
    let report = run(&plan, deaf, truth, Some(Box::new(lasts))).await;
    assert!(report.lost() > 0, "{report}");
    assert!(report.violations() > 0, "{report}");
}
