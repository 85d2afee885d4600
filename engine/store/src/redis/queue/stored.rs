//! Changes as the scripts know them.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::Timestamp;
use redis::Value;

use super::names::row_name;
use crate::queue::record::{self, Damage};
use crate::queue::{Change, Partition, QueueError, Queued};

/// How wide the moment is, in digits.
const MOMENT: usize = 20;
/// How wide the length of the row's name is, in digits.
const LENGTH: usize = 8;

/// The text of a change that is taken at `at`.
pub(super) fn text(change: &Change, at: Timestamp) -> Vec<u8> {
    let row = row_name(&change.row);
    let mut out = format!("{:020}{:08}{row}", at.0, row.len()).into_bytes();
    out.extend_from_slice(&record::encode(change, at));
    out
}

/// The change that `text`, found in `partition`, stands for.
pub(super) fn queued(
    sequence: u64,
    text: Value,
    partition: &Partition,
) -> Result<Arc<Queued>, QueueError> {
    let corrupt = |damage: Damage| QueueError::Corrupt {
        place: format!("{partition}, number {sequence}"),
        why: damage.why.to_owned(),
    };
    read(sequence, text).map_err(corrupt)
}

/// The change that `text` stands for.
pub(super) fn read(sequence: u64, text: Value) -> Result<Arc<Queued>, Damage> {
    let damage = |why| Damage { row: None, why };
    let Value::BulkString(text) = text else {
        return Err(damage("it is no text"));
    };
    let record = record_of(&text.into()).ok_or(damage("its head is damaged"))?;
    let (change, at) = record::decode(&record)?;
    Ok(Arc::new(Queued {
        sequence,
        at,
        change,
    }))
}

/// What scripts do not read.
fn record_of(text: &Bytes) -> Option<Bytes> {
    let length = number(text.get(MOMENT..MOMENT + LENGTH)?)?;
    let begin = usize::try_from(length).ok()? + MOMENT + LENGTH;
    (begin <= text.len()).then(|| text.slice(begin..))
}

/// A moment from its digits.
pub(super) fn moment(digits: &[u8]) -> Option<Timestamp> {
    number(digits).map(Timestamp)
}

fn number(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.parse().ok()
}
