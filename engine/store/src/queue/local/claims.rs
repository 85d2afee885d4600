//! Who flushes what. Kept in memory: another process cannot have the file.

use std::collections::HashMap;

use larder_core::Timestamp;

use crate::queue::{Claim, Partition, QueueError};

/// The claims on all partitions.
#[derive(Default)]
pub(super) struct Claims(HashMap<Partition, Held>);

struct Held {
    token: u64,
    until: Timestamp,
}

impl Claims {
    pub(super) fn claim(
        &mut self,
        partition: &Partition,
        until: Timestamp,
        now: Timestamp,
    ) -> Option<Claim> {
        if self.0.get(partition).is_some_and(|held| now < held.until) {
            return None;
        }
        // A claim from before a restart must not pass for a new one, so tokens are no count.
        let token = fastrand::u64(..);
        self.0.insert(partition.clone(), Held { token, until });
        Some(Claim {
            partition: partition.clone(),
            token,
        })
    }

    pub(super) fn extend(
        &mut self,
        claim: &Claim,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.check(claim, Some(now))?;
        if let Some(held) = self.0.get_mut(&claim.partition) {
            held.until = until;
        }
        Ok(())
    }

    pub(super) fn let_go(&mut self, claim: &Claim) {
        if self.check(claim, None).is_ok() {
            self.0.remove(&claim.partition);
        }
    }

    /// Without `now`, a claim that has ended counts until somebody takes it over: nobody else has
    /// flushed anything until then.
    pub(super) fn check(&self, claim: &Claim, now: Option<Timestamp>) -> Result<(), QueueError> {
        let held = self.0.get(&claim.partition);
        let held = held.filter(|held| held.token == claim.token);
        match held.filter(|held| now.is_none_or(|now| now < held.until)) {
            Some(_) => Ok(()),
            None => Err(QueueError::Lost(claim.partition.clone())),
        }
    }
}
