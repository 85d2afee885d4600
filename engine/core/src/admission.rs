//! What a policy is told about a load, and what it answers.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Freshness};

/// How a load ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadStatus {
    /// The origin has the value.
    Found,
    /// The origin has no such thing.
    Absent,
    /// The origin failed. Part of the contract; engines of this version do not ask after a failure.
    Failed,
}

/// What came of a load, as far as a policy may know it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// How the load ended.
    pub status: LoadStatus,
    /// Size of the value in bytes.
    pub bytes: u64,
    /// How long the origin took, in milliseconds.
    pub cost_ms: u32,
    /// Response inputs, for example `("header.cache-control", "max-age=60")`; a policy is shown
    /// only those that its manifest declares.
    pub attributes: Vec<(String, String)>,
    /// The value, where the manifest declares `reads_body` and it is small enough to hand over.
    pub body: Option<Bytes>,
}

/// What a policy answers after a load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Admission {
    /// Whether the value may be stored.
    pub store: bool,
    /// How long it may be served; replaces the decision's.
    pub freshness: Freshness,
    /// The entry's tags; replaces the decision's.
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
}
