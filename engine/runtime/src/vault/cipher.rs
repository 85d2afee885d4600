//! Values under XChaCha20-Poly1305, bound to the entry that they belong to.
//!
//! A sealed value is a format byte, the nonce of 24 bytes, the ciphertext and the tag of 16. The
//! plain text begins with a byte that tells a value from the knowledge that there is none. Status and
//! header lines of a value say as much as its bytes may, so they are inside, before them.

use std::sync::Arc;

use bytes::{Buf, Bytes};
use chacha20poly1305::{AeadInOut, Tag, XChaCha20Poly1305, XNonce};
use larder_core::freshness::Windows;
use larder_core::{Head, Value};

const FORMAT: u8 = 1;
/// Begins what binds a change, in the place of the format, so that neither opens as the other.
const CHANGE: u8 = 0x80;
const NONCE: usize = 24;
const TAG: usize = 16;
const ABSENT: u8 = 0;
const PRESENT: u8 = 1;
/// There is a value, behind the length of its head in 32 bits and the head.
const HEADED: u8 = 2;

/// What a sealed value is bound to: put elsewhere, it does not open.
#[derive(Clone, Copy)]
pub(super) struct Binding<'a> {
    pub(super) logical: &'a str,
    pub(super) content_type: Option<&'a str>,
    pub(super) of: Of<'a>,
}

/// What it is the value of.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// An entry that may be served for so long.
    Entry(&'a Windows),
    /// A change that this operation has queued.
    Change(&'a str),
}

impl Binding<'_> {
    /// The associated data. Each field carries its length, so that none reaches into the next.
    fn bytes(&self) -> Vec<u8> {
        let mut all = vec![match self.of {
            Of::Entry(_) => FORMAT,
            Of::Change(_) => CHANGE,
        }];
        let mut field = |bytes: &[u8]| {
            all.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            all.extend_from_slice(bytes);
        };
        field(self.logical.as_bytes());
        field(&[u8::from(self.content_type.is_some())]);
        field(self.content_type.unwrap_or_default().as_bytes());
        match self.of {
            Of::Entry(windows) => {
                for moment in [
                    windows.created,
                    windows.fresh_until,
                    windows.revalidate_until,
                    windows.error_until,
                ] {
                    field(&moment.0.to_le_bytes());
                }
            }
            Of::Change(operation) => field(operation.as_bytes()),
        }
        all
    }
}

/// The sealed form of a value, or of there being none. The nonce must be random and never used
/// again. None where the value is longer than the cipher takes (256 GiB).
pub(super) fn seal(
    cipher: &XChaCha20Poly1305,
    nonce: [u8; NONCE],
    binding: &Binding<'_>,
    value: Option<&Value>,
) -> Option<Bytes> {
    let plain = value.map_or(&[][..], |value| &value.bytes);
    let head = value.and_then(|value| value.head.as_deref());
    let head = head.map(Head::to_bytes);
    let lines = head.as_ref().map_or(0, Vec::len);
    let mut sealed = Vec::with_capacity(1 + NONCE + 1 + 4 + lines + plain.len() + TAG);
    sealed.push(FORMAT);
    sealed.extend_from_slice(&nonce);
    let begins = sealed.len();
    match (value, head) {
        (None, _) => sealed.push(ABSENT),
        (Some(_), None) => sealed.push(PRESENT),
        (Some(_), Some(head)) => {
            sealed.push(HEADED);
            sealed.extend_from_slice(&u32::try_from(head.len()).ok()?.to_le_bytes());
            sealed.extend_from_slice(&head);
        }
    }
    sealed.extend_from_slice(plain);
    let nonce = XNonce::from(nonce);
    let body = &mut sealed[begins..];
    let tag = cipher.encrypt_inout_detached(&nonce, &binding.bytes(), body.into());
    sealed.extend_from_slice(&tag.ok()?);
    Some(sealed.into())
}

/// What the key makes of a digest, the same each time: its stream under a nonce that is the digest's
/// own, so that no nonce of a sealed value, which are random, comes again.
pub(super) fn mark(cipher: &XChaCha20Poly1305, digest: &[u8; 32]) -> Option<[u8; 12]> {
    let mut stream = [0; 12];
    let nonce = XNonce::try_from(digest.get(..NONCE)?).ok()?;
    let made = cipher.encrypt_inout_detached(&nonce, b"fingerprint", stream.as_mut_slice().into());
    made.ok()?;
    Some(stream)
}

/// What was sealed, none inside where there was no value, with its head but without its type. None where anything was
/// changed since, or belongs to another entry.
pub(super) fn open(
    cipher: &XChaCha20Poly1305,
    binding: &Binding<'_>,
    sealed: &[u8],
) -> Option<Option<Value>> {
    let (&FORMAT, rest) = sealed.split_first()? else {
        return None;
    };
    let (nonce, rest) = rest.split_first_chunk::<NONCE>()?;
    let (body, tag) = rest.split_last_chunk::<TAG>()?;
    let mut plain = body.to_vec();
    cipher
        .decrypt_inout_detached(
            &XNonce::from(*nonce),
            &binding.bytes(),
            plain.as_mut_slice().into(),
            &Tag::from(*tag),
        )
        .ok()?;
    value(plain.into())
}

fn value(mut plain: Bytes) -> Option<Option<Value>> {
    match plain.try_get_u8().ok()? {
        ABSENT => Some(None),
        PRESENT => Some(Some(Value::new(plain))),
        HEADED => {
            let length = usize::try_from(plain.try_get_u32_le().ok()?).ok()?;
            let head: Arc<Head> = Head::from_bytes(plain.get(..length)?)?;
            Some(Some(Value {
                head: Some(head),
                ..Value::new(plain.slice(length..))
            }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use chacha20poly1305::KeyInit as _;
    use larder_core::Timestamp;

    use super::*;

    fn windows() -> Windows {
        Windows {
            created: Timestamp(1),
            fresh_until: Timestamp(2),
            revalidate_until: Timestamp(3),
            error_until: Timestamp(4),
        }
    }

    fn cipher(key: u8) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(&[key; 32].into())
    }

    const NONCE_7: [u8; NONCE] = [7; NONCE];

    #[test]
    fn what_was_sealed_opens() {
        let windows = windows();
        let binding = Binding {
            logical: "t:n:k",
            content_type: None,
            of: Of::Entry(&windows),
        };
        for value in [
            None,
            Some(Value::new("")),
            Some(Value::new("x".repeat(5000))),
            Some(Value {
                head: Head::new(203, [("x-user", Bytes::from_static(b"ann"))]).unwrap(),
                ..Value::new("x")
            }),
        ] {
            let sealed = seal(&cipher(1), NONCE_7, &binding, value.as_ref()).unwrap();
            let opened = open(&cipher(1), &binding, &sealed).unwrap();
            assert_eq!(opened, value);
        }
    }

    #[test]
    fn what_builds_sealed_that_knew_of_no_head_opens() {
        let windows = windows();
        let binding = Binding {
            logical: "t:n:k",
            content_type: Some("text/plain"),
            of: Of::Entry(&windows),
        };
        let value = Value::new("a secret");
        let sealed = seal(&cipher(1), NONCE_7, &binding, Some(&value)).unwrap();
        assert_eq!(
            larder_core::Hex(&sealed).to_string(),
            "010707070707070707070707070707070707070707070707079c4da89bd8a93a117e5399eda33d5905ed412fdc8b1ac2f336"
        );
        assert_eq!(open(&cipher(1), &binding, &sealed), Some(Some(value)));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let windows = windows();
        let binding = Binding {
            logical: "t:n:k",
            content_type: Some("text/plain"),
            of: Of::Entry(&windows),
        };
        let value = Value::new("a secret");
        let sealed = seal(&cipher(1), NONCE_7, &binding, Some(&value)).unwrap();
        for at in 0..sealed.len() * 8 {
            let mut changed = sealed.to_vec();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(open(&cipher(1), &binding, &changed).is_none(), "bit {at}");
        }
        for cut in 0..sealed.len() {
            assert!(
                open(&cipher(1), &binding, &sealed[..cut]).is_none(),
                "{cut}"
            );
        }
        assert!(open(&cipher(2), &binding, &sealed).is_none(), "another key");
    }

    #[test]
    fn a_value_opens_only_where_it_belongs() {
        let (own, mut later) = (windows(), windows());
        later.error_until = Timestamp(5);
        let mut younger = windows();
        younger.created = Timestamp(0);
        let binding = Binding {
            logical: "t:n:k",
            content_type: Some(""),
            of: Of::Entry(&own),
        };
        let value = Value::new("a secret");
        let sealed = seal(&cipher(1), NONCE_7, &binding, Some(&value)).unwrap();
        assert!(open(&cipher(1), &binding, &sealed).is_some());
        for (what, other) in [
            (
                "key",
                Binding {
                    logical: "t:n:l",
                    ..binding
                },
            ),
            (
                "tenant",
                Binding {
                    logical: "u:n:k",
                    ..binding
                },
            ),
            (
                "type",
                Binding {
                    content_type: None,
                    ..binding
                },
            ),
            (
                "end",
                Binding {
                    of: Of::Entry(&later),
                    ..binding
                },
            ),
            (
                "change",
                Binding {
                    of: Of::Change("an operation"),
                    ..binding
                },
            ),
            (
                "begin",
                Binding {
                    of: Of::Entry(&younger),
                    ..binding
                },
            ),
        ] {
            assert!(open(&cipher(1), &other, &sealed).is_none(), "{what}");
        }
    }

    #[test]
    fn a_change_opens_only_as_the_same_operation() {
        let binding = |operation| Binding {
            logical: "t:n:k",
            content_type: None,
            of: Of::Change(operation),
        };
        let value = Value::new("a secret");
        let sealed = seal(&cipher(1), NONCE_7, &binding("one"), Some(&value)).unwrap();
        assert!(open(&cipher(1), &binding("one"), &sealed).is_some());
        assert!(open(&cipher(1), &binding("two"), &sealed).is_none());
    }

    #[test]
    fn no_field_of_the_binding_reaches_into_the_next() {
        let windows = windows();
        let of = |logical, content_type| {
            Binding {
                logical,
                content_type: Some(content_type),
                of: Of::Entry(&windows),
            }
            .bytes()
        };
        assert_ne!(of("t:n:ka", "b"), of("t:n:k", "ab"));
    }
}
