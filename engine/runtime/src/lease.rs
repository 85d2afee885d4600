//! Taking the lease of a load, in turn with other nodes, and keeping it while the load runs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use larder_core::freshness::State;
use larder_core::{Dependency, Key, Stampede, Timestamp, Version};
use larder_origin::Fetched;
use larder_store::{LeaseRequest, Leased, StoreError, Token};
use tokio::time::Instant;

use crate::deadline::in_ms;
use crate::decide::Job;
use crate::engine::Inner;
use crate::error::Error;
use crate::flight::{Claim, Terms};
use crate::loader::Loader;
use crate::questions::Questions;

/// How often an entry that is too old to serve is shown to the store as seen, before the load
/// does without a lease.
const ATTEMPTS: usize = 4;

/// How often in all a load that does not know of another asks whether it may begin, while the
/// store answers too late.
const ASKED_MAX: u32 = 2;

/// What a load holds on the key.
pub(crate) enum Hold {
    /// The right to fill it.
    Lease(Token),
    /// Nothing; the token tells whether what held it then still does.
    Witness(Token),
    /// Nothing, and nothing to compare: others stored under the key faster than it could be taken.
    Nothing,
    /// Nothing: the store failed.
    StoreDown,
}

impl Hold {
    /// What others may compare before they join; none where there is nothing to compare.
    pub(crate) fn terms(
        &self,
        under: &[(Dependency, Version)],
        changes: u64,
    ) -> Option<Arc<Terms>> {
        let claim = |token, leased| Claim {
            token,
            leased,
            under: under.to_vec(),
        };
        let claim = match self {
            Self::Lease(token) => Some(claim(*token, true)),
            Self::Witness(token) => Some(claim(*token, false)),
            Self::StoreDown => None,
            Self::Nothing => return None,
        };
        Some(Arc::new(Terms {
            claim,
            changes,
            began: Instant::now(),
            questions: Questions::default(),
        }))
    }
}

/// How a load begins.
pub(crate) enum Begun {
    /// With this on the key, under these versions.
    Under(Hold, Vec<(Dependency, Version)>),
    /// It need not: somebody else has stored a fresh entry.
    Present(larder_store::Found),
}

impl Inner {
    /// Reads the versions and asks for the lease, in this order: what is invalidated after this
    /// either voids the lease or changes a version.
    async fn begin(&self, job: &Job, seen: Option<Timestamp>) -> Result<Begun, StoreError> {
        let decision = job.decision();
        let under = self.versions_for(job).await?;
        let mut seen = seen;
        for _ in 0..ATTEMPTS {
            let now = self.clock.now();
            let wish = LeaseRequest {
                key: &job.key,
                ttl_ms: self.tuning.load_lease_ms,
                share: decision.loading.stampede == Stampede::Unguarded,
                seen,
                now,
            };
            match self.ask_lease(job, wish).await? {
                Leased::Granted(token) => return Ok(Begun::Under(Hold::Lease(token), under)),
                Leased::Held { by } => return Ok(Begun::Under(Hold::Witness(by), under)),
                Leased::Stored(found) if found.windows.state(now) == State::Fresh => {
                    return Ok(Begun::Present(found));
                }
                Leased::Stored(found) => seen = Some(found.entry.windows.created),
            }
        }
        Ok(Begun::Under(Hold::Nothing, under))
    }

    /// As [`Inner::begin`]; where the decision guards the whole cluster, whoever holds the key is
    /// waited for first, until `patience` ends at the latest.
    pub(crate) async fn begin_in_turn(
        &self,
        job: &Job,
        seen: Option<Timestamp>,
        patience: Instant,
    ) -> Result<Begun, StoreError> {
        let in_turn = job.decision().loading.stampede == Stampede::PerCluster;
        let patience = patience.min(in_ms(self.tuning.cluster_wait_ms));
        let (mut held, mut late) = (None, 0);
        loop {
            // Taken before the look, so that an end in between is not slept through.
            let changed = self.store.changed(&job.key);
            match self.begin(job, seen).await {
                Ok(begun @ Begun::Under(Hold::Witness(_), _)) if in_turn => held = Some(begun),
                Ok(begun) => return Ok(begun),
                Err(error) => {
                    late += 1;
                    if !asks_again(&error, held.is_some(), late) {
                        return Err(error);
                    }
                    self.store_failed(&error);
                }
            }
            if held.is_some()
                && tokio::time::timeout_at(patience, changed).await.is_err()
                && let Some(begun) = held.take()
            {
                return Ok(begun);
            }
        }
    }

    /// Calls the loader and keeps the lease alive meanwhile. It is short, so that nobody waits
    /// long for the load of a node that died.
    pub(crate) async fn fetch_holding(
        &self,
        job: &Arc<Job>,
        loader: Loader,
        hold: &Hold,
    ) -> Result<Fetched, Error> {
        let Hold::Lease(token) = hold else {
            return self.fetch(job, loader, None).await;
        };
        tokio::select! {
            fetched = self.fetch(job, loader, None) => fetched,
            never = self.keep_alive(&job.key, *token) => match never {},
        }
    }

    async fn keep_alive(&self, key: &Key, token: Token) -> Infallible {
        let lease_ms = self.tuning.load_lease_ms;
        let mut ticks = tokio::time::interval(Duration::from_millis((lease_ms / 3).max(1)));
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let now = self.clock.now();
            match self.store.extend(key, token, lease_ms, now).await {
                Ok(true) => {}
                // Voided, or run out: the value still serves whoever waits for it.
                Ok(false) => std::future::pending().await,
                Err(error) => self.store_failed(&error),
            }
        }
    }

    /// Gives a lease up. A store that fails here lets it run out by itself.
    pub(crate) async fn give_up(&self, key: &Key, token: Token) {
        if let Err(error) = self.store.release(key, token).await {
            self.store_failed(&error);
        }
    }
}

/// Whether a store that has failed `late` times to say whether a load may begin is asked
/// again. One late answer of a busy store is no reason to load beside others, and where another is
/// known to load it is none to stop waiting for it.
fn asks_again(error: &StoreError, held: bool, late: u32) -> bool {
    matches!(error, StoreError::Timeout { .. }) && (held || late < ASKED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_answer_is_waited_for_and_a_store_that_is_away_is_not() {
        let timeout = StoreError::Timeout { limit_ms: 500 };
        let away = StoreError::Unavailable("it is away".to_owned());
        for (error, held, late, again) in [
            (&timeout, false, 1, true),
            (&timeout, false, 2, false),
            (&timeout, true, 9, true),
            (&away, false, 1, false),
            (&away, true, 1, false),
        ] {
            assert_eq!(
                asks_again(error, held, late),
                again,
                "{error} {held} {late}"
            );
        }
    }
}
