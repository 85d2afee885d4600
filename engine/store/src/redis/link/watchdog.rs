//! Finds dead links and masters that moved, and heals.
//!
//! The crate's own reconnection does not do: it does not see a link on which nothing comes back
//! any more, nor that the server at the other end was demoted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use super::super::error::ConnectError;
use super::check::beat;
use super::clock::ServerClock;
use super::eviction::memory;
use super::shared::Shared;
use super::topology::{Topology, Way};
use super::wire::Wire;

/// The least time between two rounds, however many commands fail.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest time between two attempts to reconnect.
const LONGEST: Duration = Duration::from_secs(1);
/// How often sentinels and Clusters are asked whether a master moved, although nothing failed.
const REFRESH: Duration = Duration::from_secs(1);

/// How often a server is asked again what it may evict, as that can be set while it runs.
const LOOK: Duration = Duration::from_secs(5);

/// Watches over the connections until the task is aborted.
pub(super) async fn watch(shared: Arc<Shared>) {
    let mut failed: u32 = 0;
    let (mut located, mut looked) = (Instant::now(), Instant::now());
    loop {
        let wait = match failed {
            0 => shared.check_every,
            _ => backoff(failed, fastrand::f64()),
        };
        let troubled = timeout(wait, shared.trouble.notified()).await.is_ok();
        let due = troubled || located.elapsed() >= REFRESH;
        let look = !shared.accept_eviction && looked.elapsed() >= LOOK;
        if look {
            looked = Instant::now();
        }
        if Box::pin(round(&shared, look, due, &mut located)).await {
            failed = 0;
        } else {
            failed = failed.saturating_add(1);
        }
        sleep(PAUSE).await;
    }
}

/// Looks after everything once; answers whether all is well.
async fn round(shared: &Shared, look: bool, due: bool, located: &mut Instant) -> bool {
    let before = shared.topology.borrow().clone();
    let (alive, died) = beats(&before, &shared.clock, look).await;
    // Callers need not wait out their limit while it is looked for a way.
    if let Some(now) = died {
        shared.publish(now);
    }
    let well = before.is_up() && alive.len() == before.layout.masters.len();
    if well && !(due && shared.locator.moves()) {
        return true;
    }
    *located = Instant::now();
    let wires: Vec<Wire> = alive.iter().map(|(wire, _)| wire.clone()).collect();
    let layout = match shared.locator.locate(&shared.dialer, &wires).await {
        Ok(layout) => layout,
        // The master answers: that sentinels do not is no reason to do without it.
        Err(ConnectError::NoSentinel { .. }) if well => return true,
        Err(error) => {
            shared.lost(&error);
            return false;
        }
    };
    if well && layout == before.layout {
        return true;
    }
    let (now, _) = shared.reach(layout, &alive).await;
    let up = now.is_up();
    shared.publish(now);
    up
}

type Alive = Vec<(Wire, Arc<str>)>;

/// Asks every connection whether it lives: those that do, and how things stand without the
/// others, if there are others.
async fn beats(before: &Topology, clock: &ServerClock, look: bool) -> (Alive, Option<Topology>) {
    let asked = before.ways.iter().map(async |way| match way {
        Way::Up { wire, found } => match lives(wire, clock, look).await {
            Ok(()) => Ok((wire.clone(), found.clone())),
            Err(error) => Err((error.to_string().into(), true)),
        },
        Way::Down(why) => Err((why.clone(), false)),
    });
    let mut alive = Vec::new();
    let mut any_died = false;
    let ways = join_all(asked).await.into_iter().map(|way| match way {
        Ok((wire, found)) => {
            alive.push((wire.clone(), found.clone()));
            Way::Up { wire, found }
        }
        Err((why, died)) => {
            any_died |= died;
            Way::Down(why)
        }
    });
    let ways = ways.collect();
    let now = Topology::new(before.layout.clone(), ways, Instant::now());
    (alive, any_died.then_some(now))
}

async fn lives(wire: &Wire, clock: &ServerClock, look: bool) -> Result<(), ConnectError> {
    if let (_, Some(time)) = beat(wire).await? {
        clock.note(&wire.to().address(), time);
    }
    if look {
        let address = wire.to().address().to_string();
        // That it did not tell now is no news: it did when it was reached.
        if let Ok(told) = memory(wire).await {
            told.still_keeps_bans(&address)?;
        }
    }
    Ok(())
}

/// How long to wait after so many attempts, between the half and the whole of a time that doubles;
/// `random` is in [0, 1).
fn backoff(failed: u32, random: f64) -> Duration {
    let whole = PAUSE.saturating_mul(1 << failed.min(5)).min(LONGEST);
    whole.mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_grow_apart_up_to_a_second() {
        assert_eq!(backoff(1, 0.0), Duration::from_millis(50));
        assert_eq!(backoff(2, 0.0), Duration::from_millis(100));
        assert_eq!(backoff(9, 0.0), Duration::from_millis(500));
        assert!(backoff(u32::MAX, 0.999) <= LONGEST);
    }
}
