//! Changes as write-behind queues keep them.

use arbitrary::{Result, Unstructured};
use bytes::Bytes;
use larder::core::{Key, Timestamp};
use larder_store::queue::record::{decode, encode};
use larder_store::queue::{Change, Row};

/// Where the length of the head is, and the checksums of the head and of the rest after it.
const LENGTH_AT: usize = 2;
/// Where the head begins.
const FIXED: usize = 14;

/// Bytes that are a change are that change when it is written again; any change comes back.
pub fn check(data: &[u8]) {
    written_again(data.to_vec());
    // Guessing a checksum takes too long: with right ones the input reaches what is behind them.
    let mut summed = data.to_vec();
    if sum(&mut summed).is_some() {
        written_again(summed);
    }
    if let Ok((change, at)) = change(&mut Unstructured::new(data)) {
        comes_back(&change, at);
    }
}

fn sum(bytes: &mut [u8]) -> Option<()> {
    let length = bytes.get(LENGTH_AT..LENGTH_AT + 4)?.try_into().ok()?;
    let length = u32::from_le_bytes(length) as usize;
    let head = bytes.get(FIXED..FIXED.checked_add(length)?)?;
    let sums = [
        crc32fast::hash(head),
        crc32fast::hash(&bytes[FIXED + length..]),
    ];
    for (at, sum) in sums.into_iter().enumerate() {
        bytes[LENGTH_AT + 4 * (at + 1)..][..4].copy_from_slice(&sum.to_le_bytes());
    }
    Some(())
}

fn written_again(bytes: Vec<u8>) {
    match decode(&bytes.into()) {
        Ok((change, at)) => {
            let again = encode(&change, at);
            assert_eq!(decode(&again.into()), Ok((change, at)));
        }
        Err(damage) => assert!(!damage.why.is_empty()),
    }
}

/// A bit that differs is found, and as long as it is not in the row's name, the row is known.
fn comes_back(change: &Change, at: Timestamp) {
    let bytes = encode(change, at);
    let known: Bytes = bytes.clone().into();
    assert_eq!(decode(&known).as_ref(), Ok(&(change.clone(), at)));
    let mut wrong = bytes;
    if let Some(last) = wrong.last_mut() {
        *last ^= 1;
    }
    let damage = decode(&wrong.into()).expect_err("its end differs");
    assert_eq!(damage.row.as_ref(), Some(&change.row));
}

fn change(from: &mut Unstructured<'_>) -> Result<(Change, Timestamp)> {
    let at = Timestamp(from.arbitrary()?);
    let row = Row {
        origin: from.arbitrary()?,
        tenant: from.arbitrary()?,
        resource: from.arbitrary()?,
        id: from.arbitrary()?,
    };
    let mut name: String = from.arbitrary()?;
    // Beyond what stays readable, so that the full name is kept as well.
    if from.arbitrary()? {
        name.push_str(&"x".repeat(600));
    }
    let change = Change {
        request: None,
        operation: from.arbitrary()?,
        key: Key::new(&row.tenant, &row.resource, &name),
        row,
        attributes: from.arbitrary()?,
        sealed: from.arbitrary()?,
        stale: from.arbitrary()?,
        value: crate::envelope::value(from)?,
    };
    Ok((change, at))
}
