//! A value with all that is needed to judge it later.

use std::sync::Arc;

use bytes::Bytes;

use crate::decision::Placement;
use crate::dependency::{Dependency, Version};
use crate::freshness::Windows;
use crate::key::Key;
use crate::policy::Identity;

/// A value as applications see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Bytes,
    /// Their media type, for example `application/json`; none means unknown bytes.
    pub content_type: Option<Arc<str>>,
}

impl Value {
    /// A value of unknown type.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            content_type: None,
        }
    }

    /// A JSON text.
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            content_type: Some("application/json".into()),
        }
    }
}

/// What a store keeps under a key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The name it was stored under; compared on every read, so that a collision of storage
    /// forms is a miss and not somebody else's value.
    pub logical: Arc<str>,
    /// The value, or none where the origin has no such thing (a negative entry).
    pub value: Option<Value>,
    /// How long it may be served.
    pub windows: Windows,
    /// It ends when nobody has read it for so long, in milliseconds; 0 turns that off.
    pub time_to_idle_ms: u64,
    /// What its load took, in milliseconds; weighs early refresh.
    pub load_ms: u32,
    /// What makes it stale, with the versions read before its load.
    pub dependencies: Vec<(Dependency, Version)>,
    /// The build of the policy that made it.
    pub policy: Arc<Identity>,
    /// Which tiers of a store may keep it.
    pub placement: Placement,
    /// The id of the key that its value is encrypted with; none where it is not.
    pub sealed: Option<Arc<str>>,
}

impl Entry {
    /// Whether this is the entry of `key`, and not one that shares its storage form.
    #[must_use]
    pub fn belongs_to(&self, key: &Key) -> bool {
        self.logical == *key.logical()
    }

    /// Roughly what it costs to keep, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        const OVERHEAD: usize = 256;
        let value = self.value.as_ref().map_or(0, |value| value.bytes.len());
        let dependencies: usize = self
            .dependencies
            .iter()
            .map(|(name, _)| name.as_str().len() + 48)
            .sum();
        OVERHEAD + value + self.logical.len() * 2 + dependencies
    }
}
