//! Which operations were taken in the last minutes.

use std::collections::HashMap;

use larder_core::Timestamp;
use sha2::{Digest, Sha256};

use crate::queue::Change;

/// How long an operation is known, in microseconds, as numbers of changes count.
const KNOWN_US: u64 = 600 * 1_000_000;

/// Stands for an operation on a row. Nobody can choose two operations that share it, and so have
/// one of them taken for the other.
pub(super) type Fingerprint = [u8; 16];

/// The operations that are known: some fifty bytes for each write of the last ten minutes.
#[derive(Default)]
pub(super) struct Operations(HashMap<Fingerprint, u64>);

pub(super) fn fingerprint(change: &Change) -> Fingerprint {
    let row = &change.row;
    let mut hash = Sha256::new();
    for text in [
        &row.origin,
        &row.tenant,
        &row.resource,
        &row.id,
        &change.operation,
    ] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(&hash.finalize()[..16]);
    fingerprint
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
    pub(super) fn find(&self, fingerprint: &Fingerprint, now: Timestamp) -> Option<u64> {
        let sequence = *self.0.get(fingerprint)?;
        (sequence > horizon(now)).then_some(sequence)
    }

    pub(super) fn put(&mut self, fingerprint: Fingerprint, sequence: u64) {
        self.0.insert(fingerprint, sequence);
    }

    /// Unless the operation was taken again since.
    pub(super) fn prune(&mut self, fingerprint: &Fingerprint, sequence: u64) {
        if self.0.get(fingerprint) == Some(&sequence) {
            self.0.remove(fingerprint);
        }
    }
}
