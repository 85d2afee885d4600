//! The seam to policies.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::admission::{Admission, Loaded};
use crate::decision::Decision;
use crate::request::Request;
use crate::time::Timestamp;

/// Which build of which policy answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Identity {
    /// The name under which the configuration runs it.
    pub name: String,
    /// The version that its manifest states.
    pub version: String,
    /// `sha256:` and the digest of the module's bytes, or `native` for a policy in the program.
    pub revision: String,
    /// The version of the contract that it speaks, for example `0.1.0`.
    pub contract: String,
    /// The first 16 hexadecimal digits of the SHA-256 of its settings as JSON; empty where it has
    /// none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub settings: String,
}

impl Identity {
    /// Whether both answer alike: they are one build under the same settings.
    #[must_use]
    pub fn decides_as(&self, other: &Self) -> bool {
        self.revision == other.revision && self.settings == other.settings
    }
}

/// What a policy says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Manifest {
    /// The policy's own name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// One sentence on what it decides.
    pub summary: String,
    /// The request attributes that it is shown, by name, or all of a class: `context.*`. Naming a
    /// whole class says that values may depend on anything in it.
    pub request_attributes: Vec<String>,
    /// The response attributes that it is shown after a load.
    pub response_attributes: Vec<String>,
    /// Whether it is told the time.
    pub uses_clock: bool,
    /// Whether it is shown small values after a load.
    pub reads_body: bool,
    /// Whether it is asked after a load.
    pub admits: bool,
}

impl Manifest {
    /// The request attributes that can be declared as a whole.
    pub const CLASSES: [&str; 3] = ["query.*", "header.*", "context.*"];

    /// Whether the policy is shown the request attribute `name`.
    #[must_use]
    pub fn declares(&self, name: &str) -> bool {
        let covers = |declared: &String| declared == name || class_has(declared, name);
        self.request_attributes.iter().any(covers)
    }

    /// The classes that it declares as a whole.
    pub fn classes(&self) -> impl Iterator<Item = &'static str> {
        let declared = |class: &&str| self.request_attributes.iter().any(|name| name == class);
        Self::CLASSES.into_iter().filter(declared)
    }
}

/// Whether `declared` is a class as a whole and `name` belongs to it.
fn class_has(declared: &str, name: &str) -> bool {
    Manifest::CLASSES.contains(&declared) && name.starts_with(&declared[..declared.len() - 1])
}

/// One loaded build of a policy.
///
/// A decision is a function of the declared inputs alone: implementations must answer the same
/// to the same request, keep nothing between calls, and return within a bounded time. What they
/// answer is untrusted until [`crate::Guard::apply`] has passed it.
pub trait Policy: Send + Sync {
    /// Which build this is.
    fn identity(&self) -> &Arc<Identity>;

    /// What it says of itself.
    fn manifest(&self) -> &Manifest;

    /// Decides about one request. `now` reaches the policy only if its manifest declares
    /// `uses_clock`, attributes only as far as it declares them.
    ///
    /// # Errors
    /// Says how the policy failed; the caller answers by the configured fallback.
    fn decide(&self, request: &Request, now: Timestamp) -> Result<Decision, PolicyFailure>;

    /// Decides whether and for how long what was loaded may be stored. Asked only if the
    /// manifest says `admits`; the default stores as decided.
    ///
    /// # Errors
    /// Says how the policy failed; the caller then stores nothing.
    fn admit(
        &self,
        _request: &Request,
        decision: &Decision,
        _loaded: &Loaded,
        _now: Timestamp,
    ) -> Result<Admission, PolicyFailure> {
        Ok(Admission::as_decided(decision))
    }
}

/// Where the engine finds policies by name.
///
/// `current` is called once for each request and its answer is used for the whole of it, so that
/// a decision and its admission come from the same build. It must be cheap and never block.
pub trait Policies: Send + Sync {
    /// The build that serves now under `name`.
    fn current(&self, name: &str) -> Option<Arc<dyn Policy>>;
}

/// How a policy failed to answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFailure {
    /// The policy answered with an error of its own.
    #[error("the policy answered an error: {0}")]
    Refused(String),
    /// The policy panicked or executed something it must not.
    #[error("the policy trapped: {0}")]
    Trapped(String),
    /// The policy did not answer in time.
    #[error("the policy did not answer within {limit_ms} ms; it loops or does too much")]
    Deadline {
        /// The limit.
        limit_ms: u64,
    },
    /// The policy wanted more memory than it may have.
    #[error("the policy wanted more than its {limit_bytes} bytes of memory")]
    Memory {
        /// The limit.
        limit_bytes: u64,
    },
    /// The policy answered more than an answer may hold.
    #[error("the policy's answer is larger than {limit_bytes} bytes")]
    Output {
        /// The limit.
        limit_bytes: u64,
    },
    /// All instances are busy, or a new one could not be made.
    #[error("no instance of the policy could be had: {0}")]
    Unavailable(String),
}

impl PolicyFailure {
    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Trapped(_) => "trapped",
            Self::Deadline { .. } => "deadline",
            Self::Memory { .. } => "memory",
            Self::Output { .. } => "output",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_declared_as_a_whole_covers_its_names_and_no_others() {
        let manifest = Manifest {
            request_attributes: vec!["context.*".into(), "query.page".into(), "quer*".into()],
            ..Manifest::default()
        };
        for (name, declared) in [
            ("context.n", true),
            ("context.", true),
            ("contexts.n", false),
            ("query.page", true),
            ("query.pages", false),
            ("query.q", false),
            ("header.cookie", false),
        ] {
            assert_eq!(manifest.declares(name), declared, "{name}");
        }
        assert_eq!(manifest.classes().collect::<Vec<_>>(), ["context.*"]);
    }
}
