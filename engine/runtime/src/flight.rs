//! Single flight: one load for each key in the process, joined only by reads that may see it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use larder_core::NotStored;
use larder_core::freshness::Windows;
use larder_core::{Dependency, Key, Value, Version};
use larder_store::{Found, StoreError, Token};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::Error;
use crate::questions::Questions;

/// What a load was begun under. A read may join it only while all of this still holds: had
/// anything been invalidated since, the load may bring the value from before.
pub(crate) struct Terms {
    /// None where the store failed.
    pub(crate) claim: Option<Claim>,
    /// What this engine had written and invalidated when the load began.
    pub(crate) changes: u64,
    pub(crate) began: Instant,
    /// Whether the claim still holds, asked for all who want to join.
    pub(crate) questions: Questions<(), Result<bool, StoreError>>,
}

/// What a load found in the store before it began.
pub(crate) struct Claim {
    pub(crate) token: Token,
    /// Whether the token is the load's own lease, and not that of somebody who held the key.
    pub(crate) leased: bool,
    pub(crate) under: Vec<(Dependency, Version)>,
}

/// What a load brought.
#[derive(Clone)]
pub(crate) enum Landing {
    /// A value, or the knowledge that there is none.
    Loaded(Arc<Loaded>),
    /// Somebody else had stored it when the load was about to begin.
    Present(Found),
    /// Nothing.
    Failed(Error),
}

/// A value from a loader, and what became of it.
pub(crate) struct Loaded {
    pub(crate) value: Option<Value>,
    pub(crate) absent: Option<Value>,
    /// For the one whose request it was.
    pub(crate) cookies: Vec<Bytes>,
    pub(crate) stored: Result<Windows, NotStored>,
    /// Whether the store failed before the load or after it.
    pub(crate) store_down: bool,
    /// Whether the policy is asked after the load: tags and refusals are known only then.
    pub(crate) admits: bool,
}

/// What those who joined a load may do with what it brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Share {
    /// Have it.
    Given,
    /// Load again, in one load for all: something that the load depends on, and that nobody could
    /// know when they joined, was invalidated.
    LoadAgain,
    /// Load for themselves alone: it is meant for whoever asked, or for this moment only.
    LoadAlone,
}

impl Landing {
    pub(crate) fn share(&self) -> Share {
        let Self::Loaded(loaded) = self else {
            return Share::Given;
        };
        match loaded.stored {
            Err(NotStored::Voided) if loaded.admits => Share::LoadAgain,
            Err(NotStored::Refused | NotStored::AdmissionFailed | NotStored::Varies) => {
                Share::LoadAlone
            }
            Err(NotStored::ZeroTtl) if loaded.value.is_some() => Share::LoadAlone,
            _ => Share::Given,
        }
    }
}

#[derive(Clone)]
enum Phase {
    /// Neither versions nor lease are taken yet: whoever joins now joins before the load begins.
    Boarding,
    /// The load runs.
    Aloft(Arc<Terms>),
    /// It runs without a lease or versions that could be compared, so nobody may join any more.
    Alone,
    Landed(Landing),
}

/// One load.
pub(crate) struct Flight(watch::Sender<Phase>);

/// What a reader of a flight may do.
pub(crate) enum Boarding {
    /// Join: the load has not begun.
    Join,
    /// Join if these terms still hold.
    JoinIf(Arc<Terms>),
    /// Begin another.
    Refused,
}

impl Flight {
    /// A flight that nobody else can find.
    pub(crate) fn unlisted() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(Phase::Boarding)))
    }

    pub(crate) fn boarding(&self) -> Boarding {
        match &*self.0.borrow() {
            Phase::Boarding => Boarding::Join,
            Phase::Aloft(terms) => Boarding::JoinIf(Arc::clone(terms)),
            Phase::Alone | Phase::Landed(_) => Boarding::Refused,
        }
    }

    /// The load begins under these terms; without terms nobody joins from now on.
    pub(crate) fn depart(&self, terms: Option<Arc<Terms>>) {
        self.0
            .send_replace(terms.map_or(Phase::Alone, Phase::Aloft));
    }

    pub(crate) fn land(&self, landing: Landing) {
        self.0.send_replace(Phase::Landed(landing));
    }

    /// Waits for the end, no longer than the caller's own limit.
    pub(crate) async fn landing_within(&self, limit_ms: u64) -> Landing {
        let landed = tokio::time::timeout(Duration::from_millis(limit_ms), self.landing()).await;
        landed.unwrap_or(Landing::Failed(Error::LoadTimeout { limit_ms }))
    }

    async fn landing(&self) -> Landing {
        let mut phases = self.0.subscribe();
        let landed = phases
            .wait_for(|phase| matches!(phase, Phase::Landed(_)))
            .await;
        match landed.as_deref() {
            Ok(Phase::Landed(landing)) => landing.clone(),
            _ => Landing::Failed(lost()),
        }
    }
}

/// What is told to those who wait for a load whose task ended without an answer.
pub(crate) fn lost() -> Error {
    Error::Loader("it panicked or was cancelled".to_owned())
}

/// The loads under way, one for each key.
#[derive(Default)]
pub(crate) struct Flights(Mutex<HashMap<Arc<str>, Arc<Flight>>>);

/// A place in a load.
pub(crate) enum Seat {
    /// The caller runs the load and lands it.
    Pilot(Arc<Flight>),
    /// Somebody else does.
    Passenger(Arc<Flight>),
}

impl Flights {
    /// The load under way for `key`, or a new one for the caller to run. A flight in `instead_of`
    /// is one that the caller may not join: it is replaced if it is still the current one.
    pub(crate) fn board(&self, key: &Key, instead_of: Option<&Arc<Flight>>) -> Seat {
        let mut map = self.0.lock();
        if let Some(current) = map.get(&**key.storage())
            && !instead_of.is_some_and(|old| Arc::ptr_eq(old, current))
        {
            return Seat::Passenger(Arc::clone(current));
        }
        let flight = Flight::unlisted();
        map.insert(Arc::clone(key.storage()), Arc::clone(&flight));
        Seat::Pilot(flight)
    }

    /// Takes a flight that has landed off the list, unless another has taken its place.
    pub(crate) fn done(&self, key: &Key, flight: &Arc<Flight>) {
        let mut map = self.0.lock();
        if map
            .get(&**key.storage())
            .is_some_and(|current| Arc::ptr_eq(current, flight))
        {
            map.remove(&**key.storage());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_is_replaced_only_by_those_who_may_not_join_it() {
        let flights = Flights::default();
        let key = Key::new("", "n", "k");
        let Seat::Pilot(first) = flights.board(&key, None) else {
            panic!("the first to come flies")
        };
        assert!(matches!(flights.board(&key, None), Seat::Passenger(_)));
        let Seat::Pilot(second) = flights.board(&key, Some(&first)) else {
            panic!("a stale flight is replaced")
        };
        assert!(
            matches!(flights.board(&key, Some(&first)), Seat::Passenger(f) if Arc::ptr_eq(&f, &second)),
            "and only once"
        );
        flights.done(&key, &first);
        assert!(matches!(flights.board(&key, None), Seat::Passenger(_)));
        flights.done(&key, &second);
        assert!(matches!(flights.board(&key, None), Seat::Pilot(_)));
    }
}
