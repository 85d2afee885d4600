//! The stages of loading a policy, and how one fails.

use std::time::Duration;

use serde::Serialize;

/// The stages through which a policy file goes before it serves, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The file is read, once.
    Read,
    /// The file is not too large.
    Size,
    /// The sha256 of its bytes names the build.
    Digest,
    /// The build may run here.
    AllowList,
    /// It is WebAssembly and not native code.
    Precompiled,
    /// It is well formed, and its parts are not too many or too large.
    Structure,
    /// It imports nothing.
    Imports,
    /// It speaks a contract that this host speaks.
    Contract,
    /// A core module is wrapped into a component.
    Componentize,
    /// It is compiled.
    Compile,
    /// Its functions have the contract's types.
    TypeCheck,
    /// It says what it is.
    Describe,
    /// It takes its settings.
    Configure,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 13] = [
        Self::Read,
        Self::Size,
        Self::Digest,
        Self::AllowList,
        Self::Precompiled,
        Self::Structure,
        Self::Imports,
        Self::Contract,
        Self::Componentize,
        Self::Compile,
        Self::TypeCheck,
        Self::Describe,
        Self::Configure,
    ];

    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Size => "size",
            Self::Digest => "digest",
            Self::AllowList => "allow_list",
            Self::Precompiled => "precompiled",
            Self::Structure => "structure",
            Self::Imports => "imports",
            Self::Contract => "contract",
            Self::Componentize => "componentize",
            Self::Compile => "compile",
            Self::TypeCheck => "type_check",
            Self::Describe => "describe",
            Self::Configure => "configure",
        }
    }
}

/// How a stage went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageReport {
    /// Which stage.
    pub stage: Stage,
    /// Whether it passed.
    pub ok: bool,
    /// How long it took.
    pub took: Duration,
    /// What was found, or why it failed, for people.
    pub note: String,
}

/// Why a file did not become a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}: {reason}", stage.as_str())]
pub struct LoadFailure {
    /// Where it failed.
    pub stage: Stage,
    /// Why, and what to do.
    pub reason: String,
    /// `sha256:` and the digest of the file, if it could be read.
    pub revision: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_have_one_spelling() {
        for stage in Stage::ALL {
            let json = serde_json::to_value(stage).unwrap();
            assert_eq!(json, stage.as_str());
        }
    }
}
