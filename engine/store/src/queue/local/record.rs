//! A change as the file keeps it.
//!
//! SQLite finds no damage within a row, so checksums do. The row that is changed comes first, with
//! a checksum of its own: what comes after a change that cannot be read must not overtake it.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::Timestamp;

use crate::queue::{Change, Row, encoding};

/// What every record begins with: a mark, and the format that follows.
const MAGIC: &[u8; 2] = b"Q1";
/// What comes before the row: the mark, the length of the row, the checksums of row and change.
const FIXED: usize = 2 + 4 + 4 + 4;

/// Why bytes are no change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    /// The row that it changes, where that can be told.
    pub(super) row: Option<Row>,
    pub(super) why: String,
}

/// `change`, taken at `at`, as bytes.
pub(super) fn encode(change: &Change, at: Timestamp) -> Vec<u8> {
    let encoded = encoding::encode(change);
    let mut out = Vec::with_capacity(FIXED + 128 + encoded.len());
    out.extend_from_slice(MAGIC);
    out.resize(FIXED, 0);
    out.extend_from_slice(&at.0.to_le_bytes());
    let row = &change.row;
    for text in [&row.origin, &row.tenant, &row.resource, &row.id] {
        out.extend_from_slice(&(text.len() as u32).to_le_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    let length = (out.len() - FIXED) as u32;
    let sums = [crc(&out[FIXED..]), crc(&encoded)];
    for (at, number) in [length, sums[0], sums[1]].into_iter().enumerate() {
        out[2 + 4 * at..6 + 4 * at].copy_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&encoded);
    out
}

fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The change that `bytes` stand for, and when it was taken.
///
/// # Errors
/// If the bytes are no change, whatever they are.
pub(super) fn decode(bytes: &Bytes) -> Result<(Change, Timestamp), Damage> {
    let (at, row, sum, head) = head(bytes).map_err(|why| Damage {
        row: None,
        why: why.to_owned(),
    })?;
    let encoded = bytes.slice(head..);
    let change = if crc(&encoded) == sum {
        encoding::decode(&encoded).map_err(|damage| damage.to_string())
    } else {
        Err("its checksum is another".to_owned())
    };
    match change {
        Ok(change) if change.row == row => Ok((change, at)),
        Ok(_) => Err("it names two rows".to_owned()),
        Err(why) => Err(why),
    }
    .map_err(|why| Damage {
        row: Some(row),
        why,
    })
}

/// When, which row, the checksum of the change, and where it begins.
fn head(bytes: &[u8]) -> Result<(Timestamp, Row, u32, usize), &'static str> {
    let mut fixed = Parts(bytes);
    if fixed.take(MAGIC.len())? != MAGIC {
        return Err("it begins with something else than a record of format 1");
    }
    let (length, of_row, of_change) = (fixed.number()?, fixed.number()?, fixed.number()?);
    let named = fixed.take(length as usize)?;
    if crc(named) != of_row {
        return Err("the checksum of its row is another");
    }
    let (at, row) = Parts(named).row()?;
    Ok((at, row, of_change, bytes.len() - fixed.0.len()))
}

/// What is left to read.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, left) = self
            .0
            .split_at_checked(count)
            .ok_or("it ends within its head")?;
        self.0 = left;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u32, &'static str> {
        let bytes = self.take(4)?.try_into();
        bytes
            .map(u32::from_le_bytes)
            .map_err(|_| "a number is damaged")
    }

    fn text(&mut self) -> Result<Arc<str>, &'static str> {
        let length = self.number()? as usize;
        let text = std::str::from_utf8(self.take(length)?);
        text.map(Arc::from)
            .map_err(|_| "the name of its row is damaged")
    }

    fn row(&mut self) -> Result<(Timestamp, Row), &'static str> {
        let at = self.take(8)?.try_into();
        let at = at
            .map(u64::from_le_bytes)
            .map_err(|_| "its moment is damaged")?;
        let row = Row {
            origin: self.text()?,
            tenant: self.text()?,
            resource: self.text()?,
            id: self.text()?,
        };
        Ok((Timestamp(at), row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::contract::subject::{NOW, change};

    fn some() -> Change {
        let row = Row {
            origin: "shop".into(),
            tenant: "acme".into(),
            resource: "product".into(),
            id: "42".into(),
        };
        change(&row, "v")
    }

    #[test]
    fn any_bit_that_differs_is_found() {
        let bytes = encode(&some(), NOW);
        assert_eq!(
            decode(&bytes.clone().into()).map(|(_, at)| at),
            Ok(NOW),
            "it can be read as it is"
        );
        let head = FIXED + 8 + 4 * 4 + "shopacmeproduct42".len();
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let damage = decode(&wrong.into()).expect_err("it is not what was kept");
            // The checksum of the change is the last of the fixed part.
            let in_change = (10..FIXED).contains(&(bit / 8)) || bit / 8 >= head;
            assert_eq!(damage.row, in_change.then(|| some().row), "bit {bit}");
        }
    }

    #[test]
    fn any_end_that_differs_is_found() {
        let bytes = encode(&some(), NOW);
        for end in 0..bytes.len() {
            let cut = Bytes::copy_from_slice(&bytes[..end]);
            assert!(decode(&cut).is_err(), "{end}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(decode(&longer.into()).is_err());
    }

    #[test]
    fn a_change_of_another_row_is_found() {
        let mut other = some();
        other.row.id = "43".into();
        let (mine, others) = (encode(&some(), NOW), encode(&other, NOW));
        let head = mine.len() - encoding::encode(&some()).len();
        let mut mixed = mine[..head].to_vec();
        mixed[10..14].copy_from_slice(&others[10..14]);
        mixed.extend_from_slice(&others[head..]);
        let damage = decode(&mixed.into()).expect_err("it names two rows");
        assert_eq!(damage.row, Some(some().row));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_are_trusted(bytes: Vec<u8>) {
            let marked = [MAGIC, &bytes[..]].concat();
            proptest::prop_assert!(decode(&marked.into()).is_err());
            proptest::prop_assert!(decode(&bytes.clone().into()).is_err());
            // With a checksum that is right, the reader of the row meets anything.
            let _ = Parts(&bytes).row();
        }
    }
}
