//! Names of crates.

use std::path::Path;

use super::lock;

/// The name that was given, or the folder's, if it will do for a crate.
pub(super) fn of_crate(path: &Path, given: Option<&str>) -> Result<String, String> {
    let own = path.file_name().map(|name| name.to_string_lossy());
    let name = match (given, &own) {
        (Some(given), _) => given,
        (None, Some(own)) => own,
        (None, None) => "",
    };
    let shown = name.escape_debug();
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let may = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    if !starts || !name.chars().all(may) {
        return Err(format!(
            "`{shown}` is no name for a crate: write lower-case letters, digits and `-`, a letter \
             first, or give one with `--name my-policy`"
        ));
    }
    if RESERVED.contains(&name) {
        return Err(format!(
            "`{shown}` means something to Rust and cannot name a crate; give another with `--name`"
        ));
    }
    if lock::has(name) {
        return Err(format!(
            "`{shown}` is a crate that every policy is built with; give another name with `--name`"
        ));
    }
    Ok(name.to_owned())
}

/// Keywords, and crates that every build knows by these names.
const RESERVED: [&str; 55] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "larder_sdk",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc_macro",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_options_make_names() {
        for (path, given, expected) in [
            ("/tmp/my-policy", None, Ok("my-policy")),
            ("a/b_2", None, Ok("b_2")),
            ("/tmp/My Policy", Some("mine"), Ok("mine")),
            ("/tmp/My Policy", None, Err("no name for a crate")),
            ("2nd", None, Err("a letter first")),
            ("..", None, Err("no name for a crate")),
            ("a", Some("ü"), Err("`ü` is no name")),
            ("a", Some("fn"), Err("means something to Rust")),
            ("std", None, Err("means something to Rust")),
            ("serde", None, Err("every policy is built with")),
        ] {
            match (of_crate(Path::new(path), given), expected) {
                (Ok(name), Ok(expected)) => assert_eq!(name, expected),
                (Err(error), Err(expected)) => assert!(error.contains(expected), "{error}"),
                (other, _) => panic!("{path}: {other:?}"),
            }
        }
    }
}
