//! What no file of the repository may say.

use std::process::Command;

use crate::workspace::{output, root};

/// The one registry, as lock files write it.
const REGISTRY: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

/// Texts that would tie the repository to one machine. Written in parts, or this file would be
/// the first to have them.
fn banned() -> Vec<String> {
    [
        ["/wo", "rk/"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        ["/Us", "ers/"],
        ["crates", ".io"],
        ["registry", ".npmjs"],
        ["pypi", ".org"],
        ["files.python", "hosted"],
        ["proxy.go", "lang.org"],
        ["arti", "factory"],
    ]
    .map(|parts| parts.concat())
    .to_vec()
}

/// The files that git knows, with those that are not text left out.
fn files() -> Vec<(String, String)> {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z"]).current_dir(root());
    let listed = output(&mut git);
    let names = listed.split('\0').filter(|name| !name.is_empty());
    let read = |name: &str| std::fs::read_to_string(root().join(name)).ok();
    names
        .filter_map(|name| Some((name.to_owned(), read(name)?)))
        .collect()
}

#[test]
fn no_file_names_a_machine_or_a_registry() {
    let files = files();
    assert!(files.len() > 100, "git lists {} files", files.len());
    let mut found = Vec::new();
    for (name, text) in &files {
        for (at, line) in text.lines().enumerate() {
            let line = line.replace(REGISTRY, "");
            let words = banned();
            let hits = words.iter().filter(|word| line.contains(*word));
            found.extend(hits.map(|word| format!("{name}:{}: `{word}`", at + 1)));
        }
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn lock_files_name_one_registry() {
    for (name, text) in files()
        .iter()
        .filter(|(name, _)| name.ends_with("Cargo.lock"))
    {
        let sources = text
            .lines()
            .filter_map(|line| line.strip_prefix("source = "));
        for source in sources {
            assert_eq!(source.trim_matches('"'), REGISTRY, "{name}");
        }
    }
}
