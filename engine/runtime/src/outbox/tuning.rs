//! How outboxes are read.

/// A node has to come round so often before rows may go.
const POLLS_KEPT: u64 = 10;

/// How an outbox is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxTuning {
    /// How often it is read where no hint comes, in milliseconds. Default: 1 s.
    pub poll_ms: u64,
    /// How long rows stay at least after they were applied, in milliseconds, for other nodes and
    /// for the next start. All nodes over one outbox must say the same. Default: 1 h.
    pub keep_ms: u64,
}

impl Default for OutboxTuning {
    fn default() -> Self {
        Self {
            poll_ms: 1_000,
            keep_ms: 3_600_000,
        }
    }
}

impl OutboxTuning {
    /// What is wrong with it.
    ///
    /// # Errors
    /// Says which time cannot be, and why.
    pub fn check(&self) -> Result<(), String> {
        if self.poll_ms == 0 {
            return Err("`poll` is 0, so it would be read without a pause".to_owned());
        }
        if self.keep_ms < self.poll_ms.saturating_mul(POLLS_KEPT) {
            return Err(format!(
                "`keep` is {} ms, less than {POLLS_KEPT} times `poll`, which is {} ms: rows could \
                 go before every node has read them",
                self.keep_ms, self.poll_ms
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_cannot_be_are_refused() {
        for (poll_ms, keep_ms, fits) in [
            (1_000, 3_600_000, true),
            (1, 10, true),
            (0, 10, false),
            (1_000, 9_999, false),
            (u64::MAX, 1, false),
        ] {
            let tuning = OutboxTuning { poll_ms, keep_ms };
            assert_eq!(tuning.check().is_ok(), fits, "{tuning:?}");
        }
    }
}
