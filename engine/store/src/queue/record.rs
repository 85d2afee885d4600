//! Changes as bytes.
//!
//! A fixed part comes first: a mark, the format, and the length and checksums of the two parts that
//! follow. The first of them names the row, and can be read though the second is damaged: what
//! comes after a change that cannot be read must not overtake it.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::{Head, Key, Timestamp, Value};

use super::{Change, Row};

/// What every record begins with: a mark, and the format that follows.
const MAGIC: &[u8; 2] = b"Q1";
/// The length of what comes before the name of the row.
const FIXED: usize = 2 + 4 + 4 + 4;
/// Set where there is a value. Without it the change deletes.
const VALUED: u8 = 1;
/// Set where the type of the value is known.
const TYPED: u8 = 2;
/// Set where the value is encrypted.
const SEALED: u8 = 4;
/// Set where the key has a full name that differs from its storage form.
const LONG: u8 = 8;
/// Set where the value has header lines. Without them the record is what builds wrote that knew of
/// none, byte for byte.
const HEADED: u8 = 16;
/// The least that an attribute takes, in bytes.
const LEAST_ATTRIBUTE: usize = 8;

/// Why bytes are no change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The row that it changes, where that can be told.
    pub row: Option<Row>,
    /// What is wrong with them.
    pub why: &'static str,
}

/// `change`, taken at `at`, as bytes.
pub fn encode(change: &Change, at: Timestamp) -> Vec<u8> {
    let payload = change.value.as_ref().map_or(0, |value| value.bytes.len());
    let mut out = Vec::with_capacity(FIXED + 256 + payload);
    out.extend_from_slice(MAGIC);
    out.resize(FIXED, 0);
    out.extend_from_slice(&at.0.to_le_bytes());
    let row = &change.row;
    for text in [&row.origin, &row.tenant, &row.resource, &row.id] {
        push_text(&mut out, text);
    }
    let head = out.len();
    push_rest(&mut out, change);
    let length = (head - FIXED) as u32;
    let sums = [crc(&out[FIXED..head]), crc(&out[head..])];
    for (at, number) in [length, sums[0], sums[1]].into_iter().enumerate() {
        out[2 + 4 * at..6 + 4 * at].copy_from_slice(&number.to_le_bytes());
    }
    out
}

fn push_rest(out: &mut Vec<u8>, change: &Change) {
    let value = change.value.as_ref();
    let content_type = value.and_then(|value| value.content_type.as_deref());
    let lines = value.and_then(|value| value.head.as_ref());
    let logical = change.key.logical();
    let logical = (logical != change.key.storage()).then_some(&**logical);
    let mut flags = if value.is_some() { VALUED } else { 0 };
    let texts = [
        (content_type, TYPED),
        (change.sealed.as_deref(), SEALED),
        (logical, LONG),
    ];
    for (text, flag) in texts {
        flags |= text.map_or(0, |_| flag);
    }
    flags |= lines.map_or(0, |_| HEADED);
    out.push(flags);
    push_text(out, &change.operation);
    push_text(out, change.key.storage());
    push_text(out, &change.stale);
    for text in texts.iter().filter_map(|(text, _)| *text) {
        push_text(out, text);
    }
    if let Some(head) = lines {
        push(out, &head.to_bytes());
    }
    push_count(out, change.attributes.len());
    for (name, text) in &change.attributes {
        push_text(out, name);
        push_text(out, text);
    }
    out.extend_from_slice(value.map_or(&[], |value| &value.bytes));
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push(out, text.as_bytes());
}

fn push(out: &mut Vec<u8>, bytes: &[u8]) {
    push_count(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Counts beyond 32 bits are cut short: the record is refused as too long before it is kept.
fn push_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

fn crc(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// The change that `bytes` stand for, and when it was taken.
///
/// # Errors
/// If the bytes are no change, whatever they are.
pub fn decode(bytes: &Bytes) -> Result<(Change, Timestamp), Damage> {
    let nothing = |why| Damage { row: None, why };
    let mut fixed = Parts(bytes.get(..FIXED).unwrap_or_default());
    if fixed.take(2).map_err(nothing)? != MAGIC {
        return Err(nothing("it does not begin as a change of format 1 does"));
    }
    let length = fixed.count().map_err(nothing)?;
    let sums = [fixed.count(), fixed.count()];
    let head = FIXED.saturating_add(length);
    let named = bytes.get(FIXED..head).ok_or(nothing("it is too short"))?;
    if sums[0] != Ok(crc(named) as usize) {
        return Err(nothing("the name of its row has another checksum"));
    }
    let (at, row) = Parts(named).head().map_err(nothing)?;
    let why = match sums[1] == Ok(crc(&bytes[head..]) as usize) {
        true => match rest(bytes, head, &row) {
            Ok(change) => return Ok((change, at)),
            Err(why) => why,
        },
        false => "it has another checksum",
    };
    Err(Damage {
        row: Some(row),
        why,
    })
}

fn rest(bytes: &Bytes, head: usize, row: &Row) -> Result<Change, &'static str> {
    let mut parts = Parts(&bytes[head..]);
    let flags = parts.take(1)?[0];
    if flags & !(VALUED | TYPED | SEALED | LONG | HEADED) != 0 {
        return Err("it has flags of another format");
    }
    let operation = parts.text()?;
    let storage = parts.text()?;
    let stale = parts.text()?;
    let content_type = parts.text_if(flags & TYPED != 0)?;
    let sealed = parts.text_if(flags & SEALED != 0)?;
    let logical = parts.text_if(flags & LONG != 0)?;
    let head = parts.lines_if(flags & HEADED != 0)?;
    let attributes = parts.attributes()?;
    let payload = bytes.slice(bytes.len() - parts.0.len()..);
    let valued = flags & VALUED != 0;
    if !valued && !payload.is_empty() {
        return Err("it has bytes after its end");
    }
    Ok(Change {
        operation,
        request: None,
        row: row.clone(),
        attributes,
        key: Key::of_stored(Arc::clone(&storage), logical.unwrap_or(storage)),
        value: valued.then_some(Value {
            bytes: payload,
            content_type,
            head,
        }),
        sealed,
        stale,
    })
}

/// What is left to be read.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], &'static str> {
        let (taken, left) = self.0.split_at_checked(count).ok_or("it is too short")?;
        self.0 = left;
        Ok(taken)
    }

    fn count(&mut self) -> Result<usize, &'static str> {
        let bytes = self.take(4)?.try_into().map_err(|_| "a number is cut")?;
        Ok(u32::from_le_bytes(bytes) as usize)
    }

    fn counted(&mut self) -> Result<&'a [u8], &'static str> {
        let length = self.count()?;
        self.take(length)
    }

    fn lines_if(&mut self, there: bool) -> Result<Option<Arc<Head>>, &'static str> {
        if !there {
            return Ok(None);
        }
        let head = Head::from_bytes(self.counted()?);
        head.map(Some).ok_or("its header lines are none")
    }

    fn text(&mut self) -> Result<Arc<str>, &'static str> {
        let text = std::str::from_utf8(self.counted()?);
        text.map(Arc::from).map_err(|_| "a text is not UTF-8")
    }

    fn text_if(&mut self, there: bool) -> Result<Option<Arc<str>>, &'static str> {
        if there {
            self.text().map(Some)
        } else {
            Ok(None)
        }
    }

    fn head(&mut self) -> Result<(Timestamp, Row), &'static str> {
        let at = self.take(8)?.try_into().map_err(|_| "a number is cut")?;
        let row = Row {
            origin: self.text()?,
            tenant: self.text()?,
            resource: self.text()?,
            id: self.text()?,
        };
        if !self.0.is_empty() {
            return Err("it has bytes after the name of its row");
        }
        Ok((Timestamp(u64::from_le_bytes(at)), row))
    }

    fn attributes(&mut self) -> Result<Vec<(String, String)>, &'static str> {
        let count = self.count()?;
        if count > self.0.len() / LEAST_ATTRIBUTE {
            return Err("it is too short for its attributes");
        }
        let one = |_| Ok((self.text()?.to_string(), self.text()?.to_string()));
        (0..count).map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::contract::subject::{NOW, change};

    fn encoded() -> Value {
        let lines = [("content-encoding", Bytes::from_static(b"gzip"))];
        Value {
            head: Head::new(200, lines).expect("one short line"),
            ..Value::json("{}")
        }
    }

    fn full() -> Change {
        let row = Row {
            origin: "shop".into(),
            tenant: "acme".into(),
            resource: "product".into(),
            id: "42".into(),
        };
        Change {
            attributes: vec![("query.page".into(), "2".into())],
            key: Key::new("acme", "product", &"x".repeat(1_000)),
            value: Some(encoded()),
            sealed: Some("key".into()),
            ..change(&row, "")
        }
    }

    #[test]
    fn a_change_comes_back_whole() {
        let mut deleting = full();
        deleting.value = None;
        deleting.sealed = None;
        for change in [full(), deleting] {
            let decoded = decode(&encode(&change, NOW).into());
            assert_eq!(decoded, Ok((change, NOW)));
        }
    }

    #[test]
    fn changes_without_header_lines_are_read_and_written_as_builds_before_did() {
        let kept = include_str!("record/format_1.hex").lines();
        let writing = Change {
            operation: "op".into(),
            value: Some(Value::json("{}")),
            ..full()
        };
        let deleting = Change {
            value: None,
            sealed: None,
            ..writing.clone()
        };
        for (kept, change) in kept.zip([writing, deleting]) {
            let bytes = encode(&change, NOW);
            assert_eq!(larder_core::Hex(&bytes).to_string(), kept);
            assert_eq!(decode(&bytes.into()), Ok((change, NOW)));
        }
    }

    #[test]
    fn any_bit_that_differs_is_found() {
        let bytes = encode(&full(), NOW);
        let head = FIXED + full().row.id.len() + 8 + 4 * 4 + "shopacmeproduct".len();
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            let damage = decode(&wrong.into()).expect_err("it is not what was kept");
            // The checksum of the rest is the last of the fixed part.
            let in_rest = (10..FIXED).contains(&(bit / 8)) || bit / 8 >= head;
            assert_eq!(damage.row, in_rest.then(|| full().row), "bit {bit}");
        }
    }

    #[test]
    fn any_end_that_is_missing_is_found() {
        let bytes = encode(&full(), NOW);
        for end in 0..bytes.len() {
            let cut = Bytes::copy_from_slice(&bytes[..end]);
            assert!(decode(&cut).is_err(), "{end}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(decode(&longer.into()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn bytes_of_others_are_an_error(bytes: Vec<u8>) {
            let marked = [MAGIC, &bytes[..]].concat();
            proptest::prop_assert!(decode(&marked.into()).is_err());
            proptest::prop_assert!(decode(&bytes.into()).is_err());
        }

        /// With checksums that are right, the reader of the parts meets anything.
        #[test]
        fn parts_of_others_are_an_error_or_a_change(bytes: Vec<u8>) {
            let all = Bytes::from(bytes);
            let _ = rest(&all, 0, &full().row);
            let _ = Parts(&all).head();
        }
    }
}
