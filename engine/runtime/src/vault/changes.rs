//! Sealing on the way into the write-behind queue, opening for reads and for the flush.

use std::sync::Arc;

use larder_core::Value;
use larder_store::queue::{Change, Fingerprint};
use sha2::{Digest, Sha256};

use super::cipher::{self, Binding, Of, Plain};
use super::entries::{Seals, fresh_nonce};
use crate::error::Error;

/// Why the value of a change cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// The key ring does not have its key. It may be there again later.
    UnknownKey,
    /// It was changed since, or belongs to another change.
    DoesNotOpen,
}

impl Closed {
    pub(crate) const fn in_words(self) -> &'static str {
        match self {
            Self::UnknownKey => {
                "it is encrypted with a key that the key ring of this node does not have; put the \
                 key back until the queue is empty"
            }
            Self::DoesNotOpen => {
                "it is encrypted and does not open: it was changed in the queue, or moved there"
            }
        }
    }
}

impl Seals {
    /// The change with its value sealed by the active key.
    pub(crate) fn seal_change(&self, mut change: Change) -> Result<Change, Error> {
        let Some(value) = change.value.take() else {
            return Ok(change);
        };
        let ring = self.vault.as_ref().ok_or(Error::NoKeyRing)?.ring();
        let id = ring.active();
        let cipher = ring.cipher(id).ok_or(Error::NoKeyRing)?;
        let nonce = fresh_nonce().ok_or(Error::NoKeyRing)?;
        let content_type = value.content_type.clone();
        let plain = Plain {
            value: Some(value),
            absent: None,
        };
        let binding = binding(&change, content_type.as_deref());
        let sealed = cipher::seal(cipher, nonce, &binding, &plain);
        change.value = Some(Value {
            bytes: sealed.ok_or(Error::NoKeyRing)?,
            content_type,
            head: None,
        });
        change.sealed = Some(Arc::clone(id));
        Ok(change)
    }

    /// Stands for a digest as nobody can say who does not have the active key. It begins with what
    /// tells that key from others, after whose rotation it is not compared.
    pub(crate) fn fingerprint(&self, digest: [u8; 32]) -> Result<Fingerprint, Error> {
        let ring = self.vault.as_ref().ok_or(Error::NoKeyRing)?.ring();
        let id = ring.active();
        let cipher = ring.cipher(id).ok_or(Error::NoKeyRing)?;
        let mark = cipher::mark(cipher, &digest).ok_or(Error::NoKeyRing)?;
        let mut fingerprint = Fingerprint::default();
        let key = Sha256::digest(id.as_bytes());
        fingerprint.0[..4].copy_from_slice(&key[..4]);
        // Zeros say that it was made without a key.
        fingerprint.0[0] |= 1;
        fingerprint.0[4..].copy_from_slice(&mark);
        Ok(fingerprint)
    }

    /// The value of a change in the clear; none where it deletes.
    pub(crate) fn open_change(&self, change: &Change) -> Result<Option<Value>, Closed> {
        let (Some(id), Some(value)) = (&change.sealed, &change.value) else {
            return Ok(change.value.clone());
        };
        let ring = self.vault.as_ref().ok_or(Closed::UnknownKey)?.ring();
        let cipher = ring.cipher(id).ok_or(Closed::UnknownKey)?;
        let content_type = &value.content_type;
        let opened = cipher::open(
            cipher,
            &binding(change, content_type.as_deref()),
            &value.bytes,
        );
        let value = opened.and_then(|plain| plain.value);
        let value = value.ok_or(Closed::DoesNotOpen)?;
        Ok(Some(Value {
            content_type: content_type.clone(),
            ..value
        }))
    }
}

fn binding<'a>(change: &'a Change, content_type: Option<&'a str>) -> Binding<'a> {
    Binding {
        logical: change.key.logical(),
        content_type,
        of: Of::Change(&change.operation),
    }
}
