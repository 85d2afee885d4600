//! What a policy is told about a load, and what it answers.

use std::time::Duration;

use crate::decision::Decision;
use crate::freshness::{Freshness, freshness_setters};
use crate::request::named;

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadStatus {
    /// The origin has the value.
    Found,
    /// The origin has no such thing.
    Absent,
    /// The origin failed. Engines of this version do not ask after a failure.
    Failed,
}

/// What came of a load, as far as the policy's manifest lets it see.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Loaded {
    /// How the load ended.
    pub status: LoadStatus,
    /// Size of the value in bytes.
    pub bytes: u64,
    /// How long the origin took, in milliseconds.
    pub cost_ms: u32,
    /// The declared response inputs, in their order.
    pub attributes: Vec<(String, String)>,
    /// The value, where the manifest says [`crate::Manifest::reads_body`] and it is small enough
    /// to hand over.
    pub body: Option<Vec<u8>>,
}

impl Loaded {
    /// A load that ended so, without attributes and body, for tests.
    #[must_use]
    pub fn new(status: LoadStatus) -> Self {
        Self {
            status,
            bytes: 0,
            cost_ms: 0,
            attributes: Vec::new(),
            body: None,
        }
    }

    /// The same load with one more attribute.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// The same load of this value.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        self.bytes = body.len() as u64;
        self.body = Some(body);
        self
    }

    /// The first value of the response attribute `name`, for example `header.cache-control`.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes_named(name).next()
    }

    /// Every value of the response attribute `name`: headers can be repeated, and mean then what
    /// their list means.
    pub fn attributes_named<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a str> + use<'a, 'n> {
        named(&self.attributes, name)
    }
}

/// Whether and for how long a loaded value may be stored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Admission {
    /// Whether it may be stored.
    pub store: bool,
    /// How long it may be served; replaces the decision's.
    pub freshness: Freshness,
    /// The entry's tags; replace the decision's.
    pub tags: Vec<String>,
    /// One sentence for the person who asks why.
    pub reason: String,
}

impl Admission {
    /// Store as the decision said.
    #[must_use]
    pub fn as_decided(decision: &Decision) -> Self {
        Self {
            store: true,
            freshness: decision.freshness,
            tags: decision.tags.clone(),
            reason: String::new(),
        }
    }

    /// Do not store, because of `reason`.
    pub fn refuse(reason: impl Into<String>) -> Self {
        Self {
            store: false,
            freshness: Freshness::default(),
            tags: Vec::new(),
            reason: reason.into(),
        }
    }

    freshness_setters!();

    /// One more tag, for example one found in the value.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// One sentence for the person who asks why.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }
}
