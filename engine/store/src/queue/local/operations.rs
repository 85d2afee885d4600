//! Which operations were taken in the last minutes.

use std::collections::HashMap;

use larder_core::Timestamp;
use sha2::{Digest, Sha256};

use crate::queue::{Change, Fingerprint, QueueError};

/// How long an operation is known, in microseconds, as numbers of changes count.
const KNOWN_US: u64 = 600 * 1_000_000;

/// Stands for texts. Nobody can choose two that share it, and so have one taken for the other.
type Hash = [u8; 16];

/// The length of what is kept of an operation that nobody has named.
const BARE: usize = 16;
/// The length of what is kept of one that a request has named.
const FULL: usize = 48;

/// An operation as it is kept: what it is on its row, and the request that named it. Builds before
/// fingerprints kept the first part alone, and so is what nobody has named.
#[derive(Clone, Copy, Default)]
pub(super) struct Mark {
    on_row: Hash,
    named: Option<(Hash, Fingerprint)>,
}

/// The operations that are known: some fifty bytes for each write of the last ten minutes, and as
/// much again for each that a request has named.
#[derive(Default)]
pub(super) struct Operations {
    on_rows: HashMap<Hash, u64>,
    named: HashMap<Hash, (u64, Fingerprint)>,
}

impl Mark {
    pub(super) fn of(change: &Change) -> Self {
        let (row, operation) = (&change.row, &*change.operation);
        let on_row = [
            &*row.origin,
            &*row.tenant,
            &*row.resource,
            &*row.id,
            operation,
        ];
        let name = || hash(&[&row.tenant, operation]);
        Self {
            on_row: hash(&on_row),
            named: change.request.map(|request| (name(), request)),
        }
    }

    pub(super) fn bytes(&self) -> ([u8; FULL], usize) {
        let mut bytes = [0; FULL];
        bytes[..BARE].copy_from_slice(&self.on_row);
        let Some((name, request)) = &self.named else {
            return (bytes, BARE);
        };
        bytes[BARE..2 * BARE].copy_from_slice(name);
        bytes[2 * BARE..].copy_from_slice(&request.0);
        (bytes, FULL)
    }

    /// One that is damaged is like none that anybody will repeat.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let part = |at: usize| -> Option<Hash> { bytes.get(at..at + BARE)?.try_into().ok() };
        let known = matches!(bytes.len(), BARE | FULL);
        let on_row = part(0).filter(|_| known).unwrap_or_default();
        let named = part(BARE).zip(part(2 * BARE).map(Fingerprint));
        Self {
            on_row,
            named: named.filter(|_| known),
        }
    }
}

fn hash(texts: &[&str]) -> Hash {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    let mut first = Hash::default();
    first.copy_from_slice(&hash.finalize()[..16]);
    first
}

/// A time as numbers of changes count it, with room for numbers after it.
pub(super) fn micros(now: Timestamp) -> u64 {
    now.0.saturating_mul(1_000).min(1 << 62)
}

/// Operations with smaller numbers are no longer known.
pub(super) fn horizon(now: Timestamp) -> u64 {
    micros(now).saturating_sub(KNOWN_US)
}

impl Operations {
    /// The number of the operation, where it was taken before.
    pub(super) fn find(&self, mark: &Mark, now: Timestamp) -> Result<Option<u64>, QueueError> {
        let known = |sequence: &u64| *sequence > horizon(now);
        if let Some((name, request)) = &mark.named
            && let Some((sequence, of)) = self.named.get(name)
            && known(sequence)
        {
            return match request.may_be(of) {
                true => Ok(Some(*sequence)),
                false => Err(QueueError::Reused),
            };
        }
        Ok(self.on_rows.get(&mark.on_row).copied().filter(known))
    }

    pub(super) fn put(&mut self, mark: &Mark, sequence: u64) {
        self.on_rows.insert(mark.on_row, sequence);
        if let Some((name, request)) = mark.named {
            self.named.insert(name, (sequence, request));
        }
    }

    /// Unless the operation was taken again since.
    pub(super) fn prune(&mut self, mark: &Mark, sequence: u64) {
        if self.on_rows.get(&mark.on_row) == Some(&sequence) {
            self.on_rows.remove(&mark.on_row);
        }
        if let Some((name, _)) = &mark.named
            && self
                .named
                .get(name)
                .is_some_and(|(one, _)| *one == sequence)
        {
            self.named.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Setting the clock back forgets nothing, as long as it takes; set forward, it forgets what it
    /// takes for older than ten minutes.
    #[test]
    fn a_name_is_known_for_ten_minutes_by_the_clock() {
        const MINUTE: u64 = 60_000;
        let request = |byte| {
            let mut fingerprint = Fingerprint::default();
            fingerprint.0[4..].fill(byte);
            Mark {
                on_row: [byte; 16],
                named: Some(([2; 16], fingerprint)),
            }
        };
        let taken = Timestamp(1_800_000_000_000);
        let mut operations = Operations::default();
        operations.put(&request(1), micros(taken));
        for (now, known) in [
            (taken, true),
            (taken.plus(10 * MINUTE - 1), true),
            (taken.plus(10 * MINUTE), false),
            (taken.plus(60 * MINUTE), false),
            (Timestamp(taken.0 - 60 * MINUTE), true),
            (Timestamp(0), true),
        ] {
            let same = operations.find(&request(1), now);
            assert_eq!(same, Ok(known.then(|| micros(taken))), "{now:?}");
            let other = operations.find(&request(3), now);
            assert_eq!(other == Err(QueueError::Reused), known, "{now:?}");
        }
        // After its time a name is whoever's takes it next.
        let later = micros(taken.plus(10 * MINUTE));
        operations.put(&request(3), later);
        let now = taken.plus(11 * MINUTE);
        assert_eq!(operations.find(&request(3), now), Ok(Some(later)));
        assert_eq!(operations.find(&request(1), now), Err(QueueError::Reused));
    }

    #[test]
    fn marks_come_back_and_those_of_before_have_no_request() {
        let full = Mark {
            on_row: [1; 16],
            named: Some(([2; 16], Fingerprint([3; 16]))),
        };
        let bare = Mark {
            named: None,
            ..full
        };
        for mark in [full, bare] {
            let (bytes, length) = mark.bytes();
            let read = Mark::read(&bytes[..length]);
            assert_eq!((read.on_row, read.named), (mark.on_row, mark.named));
        }
        for damaged in [&[1; 15][..], &[1; 17], &[1; 47], &[]] {
            let read = Mark::read(damaged);
            assert_eq!((read.on_row, read.named), ([0; 16], None));
        }
    }
}
