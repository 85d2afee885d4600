//! What the program carries, so that it needs no checkout beside it: the policies that ship, built;
//! and the sources, versions and compiler that a policy crate of one's own is built with.

/// Texts by their paths within a folder.
pub(crate) type Files = [(&'static str, &'static str)];

include!(concat!(env!("OUT_DIR"), "/sources.rs"));

/// The modules of the policies that ship, by name. `policies/build` makes them.
pub(crate) const MODULES: [(&str, &[u8]); 4] = [
    ("standard", include_bytes!("../shipped/standard.wasm")),
    ("session", include_bytes!("../shipped/session.wasm")),
    ("api", include_bytes!("../shipped/api.wasm")),
    ("llm", include_bytes!("../shipped/llm.wasm")),
];

/// The manifest that the sources inherit from.
pub(crate) const WORKSPACE: &str = include_str!("../../../Cargo.toml");

/// The versions of all that the SDK needs, as a lock file without the crate that it is for.
/// `policies/build` makes it.
pub(crate) const LOCK: &str = include_str!("../shipped/Cargo.lock");

/// The terms under which the sources may be copied, by their file's name.
pub(crate) const LICENSES: &Files = &[
    ("LICENSE-APACHE", include_str!("../../../LICENSE-APACHE")),
    ("LICENSE-MIT", include_str!("../../../LICENSE-MIT")),
];

/// The compiler, as rustup reads it.
pub(crate) const TOOLCHAIN: &str = include_str!("../../../rust-toolchain.toml");

#[cfg(test)]
mod tests;
