//! What a host can refuse.

use std::io;
use std::path::PathBuf;

/// What a host can refuse. A policy file that does not load is none of these: it is in the status.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The folder is missing or cannot be read.
    #[error("the policy folder {} cannot be read: {source}; create it or correct `policies.dir`", path.display())]
    Folder {
        /// Which folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two policies have one name.
    #[error("two policies are named `{0}`; give each a name of its own")]
    DuplicateName(String),
    /// A module is a path and not the stem of a file in the folder.
    #[error(
        "the module `{0}` is not a file's stem: write `standard` for `standard.wasm` in the policy folder"
    )]
    BadModule(String),
    /// The settings are not a JSON object.
    #[error("the settings of policy `{0}` are not an object; write them as a table")]
    BadSettings(String),
    /// A limit is 0.
    #[error(
        "the limit `{limit}` of policy `{policy}` is 0, so it could never answer; leave it out for the default"
    )]
    ZeroLimit {
        /// The policy, or `*` for modules that the configuration does not name.
        policy: String,
        /// Which limit.
        limit: &'static str,
    },
    /// An entry of the allow-list is no sha256.
    #[error("`{0}` in the allow-list is not a sha256 in hexadecimal (64 digits)")]
    BadDigest(String),
    /// wasmtime or a thread could not be started.
    #[error("the policy host could not be started: {0}")]
    Start(String),
    /// There is no policy of that name.
    #[error("there is no policy `{0}`; the status lists all there are")]
    UnknownPolicy(String),
    /// There is no build before the serving one.
    #[error("policy `{0}` has no earlier build to go back to")]
    NoPrevious(String),
    /// The build is not among those that are kept.
    #[error("policy `{name}` has no build `{revision}`; the status lists those that are kept")]
    UnknownRevision {
        /// The policy.
        name: String,
        /// What was asked for.
        revision: String,
    },
    /// The build is kept, and cannot be loaded from there.
    #[error("the build `{revision}` of policy `{name}` cannot serve: {why}")]
    NotKept {
        /// The policy.
        name: String,
        /// Which build.
        revision: String,
        /// What is wrong with it.
        why: String,
    },
    /// The host's thread has ended.
    #[error("the policy host has stopped")]
    Stopped,
}
