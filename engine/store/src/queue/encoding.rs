//! Changes as bytes, the same wherever they are queued.
//!
//! A name with the format, a byte of flags, then names with their lengths in front, and the value
//! to the end. A build reads the formats it knows and leaves others where they are.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::{Key, Value};

use super::{Change, Row};

/// What every change begins with: a name, and the format that follows.
const MAGIC: &[u8; 4] = b"LDQ1";
/// There is a value; without one the change deletes.
const VALUED: u8 = 1;
/// The value has a media type.
const TYPED: u8 = 2;
/// The value is encrypted.
const SEALED: u8 = 4;
/// The least bytes that an attribute takes: the lengths of its name and its text.
const LEAST_ATTRIBUTE: usize = 8;

/// Why bytes are no change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Damage {
    /// They begin like nothing that this build writes.
    #[error("it begins with something else than a change of format 1; another build wrote it")]
    Format,
    /// They end too early.
    #[error("it ends within {0}")]
    Short(&'static str),
    /// A part of them makes no sense.
    #[error("{0} is damaged")]
    Part(&'static str),
}

/// The bytes of a change.
pub(crate) fn encode(change: &Change) -> Vec<u8> {
    let payload = change.value.as_ref().map_or(&[][..], |value| &value.bytes);
    let mut out = Vec::with_capacity(256 + payload.len());
    out.extend_from_slice(MAGIC);
    out.push(flags(change));
    let row = &change.row;
    for text in [
        &change.operation,
        &row.origin,
        &row.tenant,
        &row.resource,
        &row.id,
        change.key.storage(),
        change.key.logical(),
        &change.stale,
    ] {
        push_text(&mut out, text);
    }
    push_count(&mut out, change.attributes.len());
    for (name, text) in &change.attributes {
        push_text(&mut out, name);
        push_text(&mut out, text);
    }
    let names = [content_type(change), change.sealed.as_ref()];
    for text in names.into_iter().flatten() {
        push_text(&mut out, text);
    }
    out.extend_from_slice(payload);
    out
}

/// The change in `bytes`, whose value shares them.
///
/// # Errors
/// If they are no change of this format; nothing is allocated on the word of a length.
pub(crate) fn decode(bytes: &Bytes) -> Result<Change, Damage> {
    if !bytes.starts_with(MAGIC) {
        return Err(Damage::Format);
    }
    let mut parts = Parts(&bytes[MAGIC.len()..]);
    let flags = parts.take(1, "its flags")?[0];
    if flags & !(VALUED | TYPED | SEALED) != 0 || flags & (VALUED | TYPED) == TYPED {
        return Err(Damage::Part("what its flags say"));
    }
    let operation = parts.text("its operation")?;
    let row = Row {
        origin: parts.text("its origin")?,
        tenant: parts.text("its tenant")?,
        resource: parts.text("its resource")?,
        id: parts.text("its id")?,
    };
    let key = Key::of_stored(parts.text("its key")?, parts.text("its logical key")?);
    let stale = parts.text("what it makes stale")?;
    let attributes = parts.attributes()?;
    let content_type = parts.text_if(flags & TYPED != 0, "its media type")?;
    let sealed = parts.text_if(flags & SEALED != 0, "the id of its key")?;
    let payload = bytes.slice(bytes.len() - parts.0.len()..);
    if flags & VALUED == 0 && !payload.is_empty() {
        return Err(Damage::Part("its value, which should not be there,"));
    }
    Ok(Change {
        operation,
        row,
        attributes,
        key,
        value: (flags & VALUED != 0).then_some(Value {
            bytes: payload,
            content_type,
        }),
        sealed,
        stale,
    })
}

fn flags(change: &Change) -> u8 {
    let mut flags = 0;
    for (set, flag) in [
        (change.value.is_some(), VALUED),
        (content_type(change).is_some(), TYPED),
        (change.sealed.is_some(), SEALED),
    ] {
        flags |= if set { flag } else { 0 };
    }
    flags
}

fn content_type(change: &Change) -> Option<&Arc<str>> {
    change.value.as_ref()?.content_type.as_ref()
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    push_count(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Requests are bounded far below 4 GiB, and so is what is counted here.
fn push_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&(count as u32).to_le_bytes());
}

/// What is left to read.
struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Damage> {
        let (taken, left) = self.0.split_at_checked(count).ok_or(Damage::Short(what))?;
        self.0 = left;
        Ok(taken)
    }

    fn count(&mut self, what: &'static str) -> Result<usize, Damage> {
        let bytes = self.take(4, what)?.try_into();
        Ok(u32::from_le_bytes(bytes.map_err(|_| Damage::Part(what))?) as usize)
    }

    fn text<T: From<&'a str>>(&mut self, what: &'static str) -> Result<T, Damage> {
        let length = self.count(what)?;
        let text = std::str::from_utf8(self.take(length, what)?);
        text.map(T::from).map_err(|_| Damage::Part(what))
    }

    fn text_if(&mut self, there: bool, what: &'static str) -> Result<Option<Arc<str>>, Damage> {
        there.then(|| self.text(what)).transpose()
    }

    fn attributes(&mut self) -> Result<Vec<(String, String)>, Damage> {
        let what = "its attributes";
        let count = self.count(what)?;
        if count > self.0.len() / LEAST_ATTRIBUTE {
            return Err(Damage::Short(what));
        }
        let mut all = Vec::with_capacity(count);
        for _ in 0..count {
            all.push((self.text(what)?, self.text(what)?));
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(texts: [String; 4], value: Option<(Vec<u8>, Option<String>)>) -> Change {
        let [operation, tenant, id, stale] = texts;
        Change {
            attributes: vec![(tenant.clone(), stale.clone()), (String::new(), id.clone())],
            key: Key::new(&tenant, "product", &id),
            row: Row {
                origin: "shop".into(),
                tenant: tenant.into(),
                resource: "product".into(),
                id: id.into(),
            },
            operation: operation.as_str().into(),
            sealed: value.is_some().then(|| operation.into()),
            value: value.map(|(bytes, content_type)| Value {
                bytes: bytes.into(),
                content_type: content_type.map(Into::into),
            }),
            stale: stale.into(),
        }
    }

    fn some() -> Change {
        let texts = ["op", "acme", "42", "{}"].map(str::to_owned);
        let typed = Some("text/plain".to_owned());
        change(texts, Some((b"\0\xffvalue".to_vec(), typed)))
    }

    proptest! {
        #[test]
        fn a_change_comes_back_as_it_was(texts: [String; 4], value: Option<(Vec<u8>, Option<String>)>) {
            let change = change(texts, value);
            prop_assert_eq!(decode(&encode(&change).into()), Ok(change));
        }

        #[test]
        fn no_bytes_are_trusted(bytes: Vec<u8>) {
            let _ = decode(&bytes.clone().into());
            let _ = decode(&[MAGIC.as_slice(), &bytes].concat().into());
        }

        #[test]
        fn damage_does_no_harm(at: prop::sample::Index, byte: u8) {
            let mut bytes = encode(&some());
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = decode(&bytes.into());
        }
    }

    #[test]
    fn keys_that_were_hashed_keep_their_full_name() {
        let mut long = some();
        long.key = Key::new("acme", "product", &"x".repeat(2_000));
        let back = decode(&encode(&long).into()).expect("a change");
        assert_eq!(back.key.logical(), long.key.logical());
        assert_eq!(back.key.storage(), long.key.storage());
    }

    #[test]
    fn what_is_cut_off_in_its_names_is_no_change() {
        let whole = encode(&some());
        let names = whole.len() - b"\0\xffvalue".len();
        for length in 0..names {
            let cut = Bytes::copy_from_slice(&whole[..length]);
            assert!(decode(&cut).is_err(), "{length}");
        }
        let newer = [b"LDQ2", &whole[4..]].concat();
        assert_eq!(decode(&newer.into()), Err(Damage::Format));
    }
}
