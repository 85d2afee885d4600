//! The versions of the contract that this host speaks, one file each.

pub(crate) mod v0_1_0;

use larder_core::request::clip;

use crate::structure::{Kind, Structure};

/// Every version that this host speaks.
pub(crate) const SPOKEN: [&str; 1] = ["0.1.0"];
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
        let advice = if was_stripped(structure) {
            "it exports what a policy does, so a tool has taken the section `component-type` away \
             that says it, as `wasm-strip` and `wasm-tools strip --all` do; strip with `wasm-opt \
             --strip-debug` or `llvm-strip`, or strip the finished component"
        } else {
            "build it with the SDK, which writes that into the module"
        };
        return Err(format!(
            "it does not say which contract it speaks (`larder:policy`); this host speaks {ours}: \
             {advice}"
        ));
    };
    SPOKEN.into_iter().find(|spoken| *spoken == version).ok_or_else(|| {
        format!(
            "it speaks version {} of the contract and this host speaks {ours}: build it again with an SDK of that version",
            clip(&version)
        )
    })
}

/// Whether a core module has the exports of a policy, which none has by accident.
fn was_stripped(structure: &Structure) -> bool {
    let exports = |name: &str| structure.exports.iter().any(|export| export == name);
    structure.kind == Kind::Module
        && ["describe", "configure", "decide", "admit"]
            .into_iter()
            .all(exports)
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
