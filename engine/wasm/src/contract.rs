//! The versions of the contract that this host speaks, one file each.

pub(crate) mod v0_1_0;

use larder_core::request::clip;

use crate::structure::{Kind, Structure};

/// Every version that this host speaks.
pub(crate) const SPOKEN: [&str; 1] = ["0.1.0"];
/// What a policy exports.
pub(crate) const FUNCTIONS: [&str; 4] = ["describe", "configure", "decide", "admit"];
/// Where the contract lies in the sources.
const WIT: &str = "sdk/wit/v0.1.0";
/// The instance whose name carries the version; it holds only types.
const TYPES: &str = "larder:policy/types@";

/// The version in the name of an import, if it is the import of the contract's types.
pub(crate) fn version_of_import(name: &str) -> Option<&str> {
    name.strip_prefix(TYPES)
}

/// Which contract a module or component speaks.
///
/// # Errors
/// Says which version it has, or that it has none, and which this host speaks.
pub(crate) fn spoken(bytes: &[u8], structure: &Structure) -> Result<&'static str, String> {
    let declared = match structure.kind {
        Kind::Component => structure.types_version.clone(),
        Kind::Module => embedded(bytes)?,
    };
    let ours = SPOKEN.join(", ");
    let Some(version) = declared else {
        return Err(format!(
            "it does not say which contract it speaks (`larder:policy`); this host speaks {ours}: {}",
            unsaid(structure)
        ));
    };
    SPOKEN.into_iter().find(|spoken| *spoken == version).ok_or_else(|| {
        format!(
            "it speaks version {} of the contract and this host speaks {ours}: build it again for \
             one of these, with the SDK or the WIT of that version",
            clip(&version)
        )
    })
}

/// What to do about a file that names no contract.
fn unsaid(structure: &Structure) -> String {
    match structure.kind {
        Kind::Component => format!(
            "it is a component of another world ({}); build it for the world `policy` of {WIT}",
            exported(structure)
        ),
        Kind::Module if looks_like_policy(structure) => format!(
            "it exports what a policy does, but not the section `component-type` that says it. Where \
             nothing has written one, `wasm-tools component embed {WIT} --world policy` does; where a \
             tool took it away, as `wasm-strip` and `wasm-tools strip --all` do, strip with \
             `wasm-opt --strip-debug` or `llvm-strip`, or strip the finished component"
        ),
        Kind::Module => format!(
            "build it with the SDK, which writes that into the module, or in another language for the \
             world `policy` of {WIT} (docs/toolchains.md)"
        ),
    }
}

/// The first exports, for people.
fn exported(structure: &Structure) -> String {
    let names: Vec<String> = structure
        .exports
        .iter()
        .take(4)
        .map(|name| format!("`{}`", clip(name)))
        .collect();
    match (names.is_empty(), structure.exports.len() > names.len()) {
        (true, _) => "it exports nothing".into(),
        (false, more) => format!(
            "it exports {}{}",
            names.join(", "),
            if more { ", …" } else { "" }
        ),
    }
}

/// Whether a core module has the exports of a policy, which none has by accident.
fn looks_like_policy(structure: &Structure) -> bool {
    let exports = |name: &str| structure.exports.iter().any(|export| export == name);
    structure.kind == Kind::Module && FUNCTIONS.into_iter().all(exports)
}

/// The version in a core module's `component-type` section.
fn embedded(module: &[u8]) -> Result<Option<String>, String> {
    let (_, decoded) = wit_component::metadata::decode(module)
        .map_err(|error| format!("its component type cannot be read: {error:#}"))?;
    Ok(decoded.resolve.packages.iter().find_map(|(_, package)| {
        let name = &package.name;
        let ours = name.namespace == "larder" && name.name == "policy";
        ours.then(|| name.version.as_ref().map(ToString::to_string))?
    }))
}
