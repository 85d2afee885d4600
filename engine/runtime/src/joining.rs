//! Whether a load under way may be joined.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use larder_core::Key;
use larder_store::StoreError;

use crate::decide::Job;
use crate::engine::Inner;
use crate::flight::{Boarding, Claim, Flight, Terms};
use crate::load::Seen;

/// How long after it began a load may be joined while the store fails, in milliseconds. What
/// other nodes invalidate cannot be seen then, and this is part of how old a value may be.
const UNSEEN_JOIN_MS: u64 = 1_000;

/// What somebody who comes later does about a load under way.
pub(crate) enum Joining {
    Join,
    /// It may not be joined; load beside it.
    Beside,
    /// It may not be joined, and loading beside it would burden the origin while nothing can be
    /// stored: load after it.
    After,
}

impl Inner {
    /// Whether a reader who saw this in the store may join a load under way.
    pub(crate) async fn may_join(
        self: &Arc<Self>,
        job: &Job,
        seen: Seen,
        flight: &Flight,
    ) -> Joining {
        let terms = match flight.boarding() {
            Boarding::Join => return Joining::Join,
            Boarding::Refused => return Joining::Beside,
            Boarding::JoinIf(terms) => terms,
        };
        // The load began after this reader came, so what it brings is new enough, whatever happens.
        if job.came < terms.began {
            return Joining::Join;
        }
        let Some(claim) = &terms.claim else {
            // It began while the store failed. Who could ask the store knows of invalidations
            // that this load may be older than.
            return match seen {
                Seen::StoreDown => self.may_join_unseen(&terms),
                _ => Joining::Beside,
            };
        };
        let shared = || {
            let (inner, key, terms) = (Arc::clone(self), job.key.clone(), Arc::clone(&terms));
            async move {
                match &terms.claim {
                    Some(claim) => inner.still_holds(&key, claim).await,
                    None => Ok(false),
                }
            }
            .boxed()
        };
        let own = self.still_holds(&job.key, claim);
        match terms.questions.ask(&(), own, shared).await {
            Ok(true) => Joining::Join,
            Ok(false) => Joining::Beside,
            Err(_) => self.may_join_unseen(&terms),
        }
    }

    /// Whether nothing was invalidated since a load began.
    async fn still_holds(&self, key: &Key, claim: &Claim) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let holds = self.store.holds(key, claim.token, &claim.under, now).await;
        match &holds {
            Ok(false) if claim.leased => {
                // Its fill would be refused. Without this its lease would keep newer loads out of
                // the cache for as long as it takes.
                self.give_up(key, claim.token).await;
            }
            Ok(_) => {}
            Err(error) => self.store_failed(error),
        }
        holds
    }

    /// Whether a load may be joined while the store cannot be asked: this engine has not changed
    /// anything since it began, and others have had no time to speak of.
    fn may_join_unseen(&self, terms: &Terms) -> Joining {
        if terms.changes != self.changes.load(Ordering::SeqCst) {
            return Joining::Beside;
        }
        let age = terms.began.elapsed();
        if age < Duration::from_millis(UNSEEN_JOIN_MS) {
            Joining::Join
        } else {
            Joining::After
        }
    }
}
