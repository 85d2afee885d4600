//! What a host says of its policies.

use larder_core::{Identity, Manifest};
use serde::Serialize;

use crate::stage::LoadFailure;

/// What is known of one policy.
#[derive(Clone, Debug, Serialize)]
pub struct PolicyStatus {
    /// The name under which it runs.
    pub name: String,
    /// The stem of its file.
    pub module: String,
    /// How it is.
    pub state: State,
    /// The build that serves now.
    pub current: Option<GenerationStatus>,
    /// The other builds that are kept for a rollback, newest first.
    pub previous: Vec<GenerationStatus>,
    /// Why the file in the folder does not serve, if it does not.
    pub candidate_error: Option<LoadFailure>,
    /// The revision to which the policy is pinned: no other serves until an operator unpins it,
    /// restarts of the process included.
    pub pinned: Option<String>,
    /// The revision from which an operator went back, while the policy is pinned for that.
    pub rolled_back: Option<String>,
    /// Why what serves and what was chosen would not survive the process, if it was to.
    pub not_kept: Option<String>,
}

/// How a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A build serves.
    Serving,
    /// No build serves, because the file failed to load.
    Failed,
    /// The file is not in the folder; the last good build serves on, if there was one.
    Missing,
}

impl State {
    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Serving => "serving",
            Self::Failed => "failed",
            Self::Missing => "missing",
        }
    }
}

/// What is known of one build of a policy.
#[derive(Clone, Debug, Serialize)]
pub struct GenerationStatus {
    /// Name, version, revision and contract.
    #[serde(flatten)]
    pub identity: Identity,
    /// What the policy says of itself.
    pub manifest: Manifest,
    /// When it was loaded, in milliseconds since the Unix epoch.
    pub loaded_at_ms: u64,
    /// How often it was asked.
    pub calls: u64,
    /// How often it failed to answer.
    pub failures: u64,
}
