//! One flusher takes the changes of a partition out, in order.

use std::sync::Arc;

use larder_core::Timestamp;
use redis::Value;

use super::super::reply::exact;
use super::{Inner, list, stored, typed, used};
use crate::queue::{Claim, Partition, QueueError, Queued};

/// How much longer than its end a claim is kept, in milliseconds, for clocks that disagree.
const SLACK_MS: u64 = 60_000;
/// The most bytes of changes that are read in one step, unless a single one is larger.
const HEAD_BYTES: &[u8] = b"4194304";
/// The most changes that are looked at in one step.
const HEAD_LOOKS: &[u8] = b"2000";
/// The most changes that are removed in one step.
const STEP: usize = 500;

impl Inner {
    pub(super) async fn claim(
        &self,
        partition: &Partition,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Option<Claim>, QueueError> {
        let token = fastrand::u64(1..);
        let (token_text, end, keep) = terms(token, ttl_ms, now);
        let now = exact(now.0);
        let args = [&*token_text, &now, &end, &keep].map(str::as_bytes);
        let told = self.script(&self.scripts.claim, partition, &[], &args);
        let granted = typed::<u8>(told.await?)? == 1;
        Ok(granted.then(|| Claim {
            partition: partition.clone(),
            token,
        }))
    }

    pub(super) async fn extend(
        &self,
        claim: &Claim,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let (token, end, keep) = terms(claim.token, ttl_ms, now);
        let now = exact(now.0);
        let args = [&*token, &now, &end, &keep].map(str::as_bytes);
        self.claimed(&self.scripts.extend, claim, &args).await
    }

    pub(super) async fn let_go(&self, claim: &Claim) -> Result<(), QueueError> {
        let token = claim.token.to_string();
        let args = [token.as_bytes()];
        self.claimed(&self.scripts.let_go, claim, &args).await
    }

    /// A step looks at a bounded number of changes, so it is repeated while it met only such as
    /// follow dead ones or cannot be read.
    pub(super) async fn head(
        &self,
        claim: &Claim,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Arc<Queued>>, QueueError> {
        loop {
            let (again, head) = self.head_once(claim, limit, now).await?;
            if !(again && head.is_empty()) {
                return Ok(head);
            }
        }
    }

    async fn head_once(
        &self,
        claim: &Claim,
        limit: usize,
        now: Timestamp,
    ) -> Result<(bool, Vec<Arc<Queued>>), QueueError> {
        let (token, now) = (claim.token.to_string(), exact(now.0));
        let limit = exact(limit as u64);
        let why = "it follows a dead letter of the same row";
        let args = [
            token.as_bytes(),
            now.as_bytes(),
            limit.as_bytes(),
            HEAD_BYTES,
            HEAD_LOOKS,
            why.as_bytes(),
        ];
        let told = self.script(&self.scripts.head, &claim.partition, &[], &args);
        let mut told = lost_or(told.await?, claim)?;
        if told.len() < 2 {
            let why = "it answered something else than changes".to_owned();
            return Err(QueueError::Unusable(why));
        }
        let changes = told.split_off(2);
        let (arrived, again): (String, u8) = typed(Value::Array(told))?;
        let (mut head, mut spoiled) = (Vec::with_capacity(changes.len() / 2), Vec::new());
        for (sequence, text) in self.numbered(changes)? {
            match stored::read(sequence, text) {
                Ok(queued) => head.push(queued),
                Err(damage) => spoiled.push((sequence, damage.why)),
            }
        }
        for (sequence, why) in &spoiled {
            self.spoiled(claim, *sequence, why, &now).await?;
        }
        if !spoiled.is_empty() {
            // What comes after one of them follows it.
            return Ok((true, Vec::new()));
        }
        self.signals.looked(&claim.partition, arrived);
        Ok((again == 1, head))
    }

    /// Makes a dead letter of what cannot be read.
    async fn spoiled(
        &self,
        claim: &Claim,
        sequence: u64,
        why: &str,
        now: &str,
    ) -> Result<(), QueueError> {
        let partition = &claim.partition;
        tracing::error!(
            %partition, sequence, why,
            "a change cannot be read and is a dead letter from now on"
        );
        let why = format!("it cannot be read: {why}");
        let (token, number) = (claim.token.to_string(), sequence.to_string());
        let args = [&*token, now, &number, &why].map(str::as_bytes);
        self.claimed(&self.scripts.spoil, claim, &args).await?;
        self.signals.went(partition);
        Ok(())
    }

    pub(super) async fn flushed(&self, claim: &Claim, sequences: &[u64]) -> Result<(), QueueError> {
        for step in sequences.chunks(STEP) {
            let numbers: Vec<String> = step.iter().map(u64::to_string).collect();
            let token = claim.token.to_string();
            let mut args = vec![token.as_bytes()];
            args.extend(numbers.iter().map(String::as_bytes));
            let told = self.script(&self.scripts.flushed, &claim.partition, &[], &args);
            let told = lost_or(told.await?, claim)?;
            self.room.saw(&claim.partition, used(Value::Array(told))?);
            self.signals.went(&claim.partition);
        }
        Ok(())
    }

    pub(super) async fn bury(
        &self,
        claim: &Claim,
        sequence: u64,
        why: &str,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let (token, now, number) = (claim.token.to_string(), exact(now.0), sequence.to_string());
        let args = [&*token, &now, &number, why].map(str::as_bytes);
        self.claimed(&self.scripts.bury, claim, &args).await?;
        self.signals.went(&claim.partition);
        Ok(())
    }
}

/// A claim as scripts take it: its token, its end, and how long to keep it.
fn terms(token: u64, ttl_ms: u64, now: Timestamp) -> (String, String, String) {
    let keep = ttl_ms.saturating_add(SLACK_MS).min(1 << 52);
    (
        token.to_string(),
        exact(now.plus(ttl_ms).0),
        keep.to_string(),
    )
}

/// The elements of an answer, which is none where the claim is not held any more.
fn lost_or(answer: Value, claim: &Claim) -> Result<Vec<Value>, QueueError> {
    match answer {
        Value::Nil | Value::Boolean(false) => Err(QueueError::Lost(claim.partition.clone())),
        answer => list(answer),
    }
}
