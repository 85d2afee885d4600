//! Values under XChaCha20-Poly1305, bound to the entry that they belong to.
//!
//! A sealed value is a format byte, the nonce of 24 bytes, the ciphertext and the tag of 16. The
//! plain text begins with a byte that tells a value from the knowledge that there is none. Status and
//! header lines of a value say as much as its bytes may, so they are inside, before them.

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
/// There is none, and what was said of that follows, with its head and its type in the same way.
const SAID: u8 = 3;

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

/// What is sealed: a value, or none and perhaps what was said of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plain {
    pub(super) value: Option<Value>,
    pub(super) absent: Option<Value>,
}

impl Plain {
    pub(super) fn kept(&self) -> Option<&Value> {
        self.value.as_ref().or(self.absent.as_ref())
    }

    /// Adds all that comes before the bytes.
    fn push_to(&self, out: &mut Vec<u8>) -> Option<()> {
        let head = self.kept().and_then(|kept| kept.head.as_deref());
        let head = head.map(Head::to_bytes);
        out.push(match (&self.value, &head) {
            (Some(_), None) => PRESENT,
            (Some(_), Some(_)) => HEADED,
            (None, Some(_)) => SAID,
            (None, None) => ABSENT,
        });
        if let Some(head) = head {
            push(out, &head)?;
        }
        if let (None, Some(said)) = (&self.value, &self.absent) {
            push(
                out,
                said.content_type.as_deref().unwrap_or_default().as_bytes(),
            )?;
        }
        Some(())
    }

    fn of(mut plain: Bytes) -> Option<Self> {
        let form = plain.try_get_u8().ok()?;
        let head = match form {
            HEADED | SAID => Some(Head::from_bytes(&part(&mut plain)?)?),
            PRESENT | ABSENT => None,
            _ => return None,
        };
        let content_type = match form {
            SAID => Some(part(&mut plain)?).filter(|kind| !kind.is_empty()),
            _ => None,
        };
        let content_type = content_type.map(|kind| String::from_utf8(kind.to_vec()));
        let value = Value {
            head,
            content_type: content_type.transpose().ok()?.map(Into::into),
            bytes: plain,
        };
        Some(match form {
            ABSENT => Self::default(),
            SAID => Self {
                absent: Some(value),
                ..Self::default()
            },
            _ => Self {
                value: Some(value),
                ..Self::default()
            },
        })
    }
}

fn push(out: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    out.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_le_bytes());
    out.extend_from_slice(bytes);
    Some(())
}

fn part(plain: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(plain.try_get_u32_le().ok()?).ok()?;
    (length <= plain.len()).then(|| plain.split_to(length))
}

/// The sealed form of a value, or of there being none. The nonce must be random and never used
/// again. None where the value is longer than the cipher takes (256 GiB).
pub(super) fn seal(
    cipher: &XChaCha20Poly1305,
    nonce: [u8; NONCE],
    binding: &Binding<'_>,
    plain: &Plain,
) -> Option<Bytes> {
    let bytes = plain.kept().map_or(&[][..], |value| &value.bytes);
    let mut sealed = Vec::with_capacity(1 + NONCE + 1 + bytes.len() + TAG);
    sealed.push(FORMAT);
    sealed.extend_from_slice(&nonce);
    let begins = sealed.len();
    plain.push_to(&mut sealed)?;
    sealed.extend_from_slice(bytes);
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

/// What was sealed; a value is without its type, which is outside. None where anything was
/// changed since, or belongs to another entry.
pub(super) fn open(
    cipher: &XChaCha20Poly1305,
    binding: &Binding<'_>,
    sealed: &[u8],
) -> Option<Plain> {
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
    Plain::of(plain.into())
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

    fn of(value: Value) -> Plain {
        Plain {
            value: Some(value),
            absent: None,
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
        let headed = |status, value| Value {
            head: Head::new(status, [("x-user", Bytes::from_static(b"ann"))]).unwrap(),
            ..value
        };
        let said = |value| Plain {
            value: None,
            absent: Some(value),
        };
        for plain in [
            Plain::default(),
            of(Value::new("")),
            of(Value::new("x".repeat(5000))),
            of(headed(203, Value::new("x"))),
            said(headed(410, Value::json("{}"))),
            said(headed(404, Value::new(""))),
        ] {
            let sealed = seal(&cipher(1), NONCE_7, &binding, &plain).unwrap();
            assert_eq!(open(&cipher(1), &binding, &sealed), Some(plain));
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
        let value = of(Value::new("a secret"));
        let sealed = seal(&cipher(1), NONCE_7, &binding, &value).unwrap();
        assert_eq!(
            larder_core::Hex(&sealed).to_string(),
            "010707070707070707070707070707070707070707070707079c4da89bd8a93a117e5399eda33d5905ed412fdc8b1ac2f336"
        );
        assert_eq!(open(&cipher(1), &binding, &sealed), Some(value));
    }

    #[test]
    fn a_flipped_bit_anywhere_is_noticed() {
        let windows = windows();
        let binding = Binding {
            logical: "t:n:k",
            content_type: Some("text/plain"),
            of: Of::Entry(&windows),
        };
        let value = of(Value::new("a secret"));
        let sealed = seal(&cipher(1), NONCE_7, &binding, &value).unwrap();
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
        let value = of(Value::new("a secret"));
        let sealed = seal(&cipher(1), NONCE_7, &binding, &value).unwrap();
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
        let value = of(Value::new("a secret"));
        let sealed = seal(&cipher(1), NONCE_7, &binding("one"), &value).unwrap();
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
