//! Text to paste into a shell.

use std::path::Path;

/// The path as one word of a shell.
pub(crate) fn quoted(path: &Path) -> String {
    word(&path.display().to_string())
}

/// How to call this program again.
pub(crate) fn this_program() -> String {
    match std::env::current_exe() {
        Ok(path) => quoted(&path),
        Err(_) => "larder".to_owned(),
    }
}

fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for (text, quoted) in [
            ("/a/b-c_d.rs", "/a/b-c_d.rs"),
            ("my shop", "'my shop'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(word(text), quoted);
        }
    }
}
