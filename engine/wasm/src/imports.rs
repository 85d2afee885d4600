//! A policy imports nothing.

use larder_core::request::clip;

use crate::structure::Structure;

/// Refuses imports.
///
/// # Errors
/// Names the first import, how many there are, and what to do.
pub(crate) fn check(structure: &Structure) -> Result<(), String> {
    let Some(first) = structure.imports.first() else {
        return Ok(());
    };
    let more = match structure.imports.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let advice = if first.contains("wasi") {
        "that is WASI: build for wasm32-unknown-unknown; a policy imports nothing"
    } else if first.contains("__wbindgen") {
        "that is wasm-bindgen, for browsers: turn the dependency's `js` feature off; a policy imports nothing"
    } else {
        "a policy imports nothing: what it may know comes in with the request"
    };
    Err(format!("it imports {}{more}; {advice}", clip(first)))
}
