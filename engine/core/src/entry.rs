//! A value with all that is needed to judge it later.

use std::sync::Arc;

use bytes::Bytes;

use crate::decision::Placement;
use crate::dependency::{Dependency, Version};
use crate::freshness::Windows;
use crate::head::{Head, names_in};
use crate::key::Key;
use crate::policy::Identity;

/// A value as applications see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Bytes,
    /// Their media type, for example `application/json`; none means unknown bytes.
    pub content_type: Option<Arc<str>>,
    /// What came with them over HTTP: a status and header lines; none means a plain 200.
    pub head: Option<Arc<Head>>,
}

impl Value {
    /// A value of unknown type.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            content_type: None,
            head: None,
        }
    }

    /// A JSON text.
    pub fn json(bytes: impl Into<Bytes>) -> Self {
        Self {
            bytes: bytes.into(),
            content_type: Some("application/json".into()),
            head: None,
        }
    }

    /// How the bytes are encoded, for example `gzip`, where they are: all `Content-Encoding` lines
    /// together. `identity` says nothing and is not told.
    #[must_use]
    pub fn coding(&self) -> Option<String> {
        let head = self.head.as_ref()?;
        let lines = head.all("content-encoding");
        let lines: Vec<_> = lines.map(|line| String::from_utf8_lossy(line)).collect();
        let names = lines.iter().flat_map(|line| names_in(line));
        let names: Vec<_> = names.filter(|name| name != "identity").collect();
        (!names.is_empty()).then(|| names.join(", "))
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
    /// What the origin said of there being no such thing, with the status in its head.
    pub absent: Option<Value>,
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
        const LINE: usize = 48;
        let value = self
            .value
            .as_ref()
            .or(self.absent.as_ref())
            .map_or(0, |value| {
                let head = value.head.as_ref();
                value.bytes.len() + head.map_or(0, |head| head.size() + head.lines().len() * LINE)
            });
        let dependencies: usize = self
            .dependencies
            .iter()
            .map(|(name, _)| name.as_str().len() + 48)
            .sum();
        OVERHEAD + value + self.logical.len() * 2 + dependencies
    }
}
