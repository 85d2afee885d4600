//! Why a module is no policy although it says so: exports that are missing or of another shape.

use crate::contract::FUNCTIONS;
use crate::structure::Structure;

/// What to do about a core module of which no component can be made.
pub(crate) fn advice(structure: &Structure) -> String {
    let exports = |name: &str| structure.exports.iter().any(|export| export == name);
    let missing: Vec<&str> = FUNCTIONS.into_iter().filter(|it| !exports(it)).collect();
    if !missing.is_empty() {
        return unexported(&missing, structure);
    }
    if !exports("memory") {
        return "a policy exports its memory, as `memory`: wasm-ld does so unless told \
                `--import-memory`, AssemblyScript unless told `--noExportMemory`"
            .into();
    }
    if !exports("cabi_realloc") {
        return "a policy exports `cabi_realloc`, which the host asks for room for a request's texts: \
                the code that wit-bindgen makes has it (`-Wl,--export=cabi_realloc` keeps it), and by hand it \
                takes the old address, the old size, the alignment and the new size, and gives the address"
            .into();
    }
    "its functions have other types than the contract's: make the bindings again from \
     sdk/wit/v0.1.0/policy.wit, unchanged"
        .into()
}

fn unexported(missing: &[&str], structure: &Structure) -> String {
    let near = |wanted: &&&str| {
        let alike = |export: &&String| bare(export) == **wanted;
        structure.exports.iter().find(alike)
    };
    let list: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    let found: Vec<String> = missing
        .iter()
        .filter_map(|name| near(&name))
        .map(|export| format!("`{export}`"))
        .collect();
    let found = match found.is_empty() {
        true => String::new(),
        false => format!(", but {}", found.join(", ")),
    };
    format!(
        "it exports no {}{found}: a policy exports `describe`, `configure`, `decide` and `admit` by \
         exactly these names, each as the contract types it",
        list.join(", ")
    )
}

/// An export as somebody may have meant it: `Decide`, `_decide`, `exports_policy_decide` and
/// `larder:policy/policy#decide` are `decide`.
fn bare(export: &str) -> String {
    let end = export.rsplit(['#', '_', '/', '.', '-', '|']).next();
    end.unwrap_or(export).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exporting(exports: &[&str]) -> Structure {
        let mut structure = Structure::read(b"\0asm\x01\0\0\0").unwrap();
        structure.exports = exports.iter().map(ToString::to_string).collect();
        structure
    }

    #[test]
    fn exports_that_are_missing_are_named_with_what_is_there_instead() {
        let all = ["describe", "configure", "decide", "admit"];
        let text = advice(&exporting(&["memory", "describe", "configure", "Decide"]));
        assert!(
            text.starts_with("it exports no `decide`, `admit`, but `Decide`: "),
            "{text}"
        );
        for alike in [
            "_decide",
            "exports_policy_decide",
            "larder:policy/policy#decide",
        ] {
            let text = advice(&exporting(&["describe", "configure", alike, "admit"]));
            assert!(
                text.starts_with(&format!("it exports no `decide`, but `{alike}`")),
                "{text}"
            );
        }
        let text = advice(&exporting(&[]));
        assert!(text.starts_with("it exports no `describe`, `configure`, `decide`, `admit`: "));
        let memory = advice(&exporting(&all));
        assert!(memory.contains("`--noExportMemory`"), "{memory}");
        let realloc = [&all[..], &["memory"]].concat();
        assert!(advice(&exporting(&realloc)).contains("--export=cabi_realloc"));
        let whole = [&all[..], &["memory", "cabi_realloc"]].concat();
        assert!(advice(&exporting(&whole)).contains("sdk/wit/v0.1.0/policy.wit"));
    }
}
