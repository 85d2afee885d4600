//! A policy imports nothing.

use larder_core::request::clip;

use crate::structure::Structure;
use crate::toolchain;

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
    let advice = toolchain::advice(structure);
    Err(format!("it imports {}{more}; {advice}", clip(first)))
}
