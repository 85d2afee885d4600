//! Text that a policy wrote, made fit for logs and replies.

/// The most characters of a policy's text that are shown.
pub(crate) const MAX_TEXT: usize = 1_000;

/// `text` on one line, without control characters, and not longer than [`MAX_TEXT`].
pub(crate) fn clean(text: &str) -> String {
    let mut cleaned: String = text
        .chars()
        .take(MAX_TEXT)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    cleaned.truncate(cleaned.trim_end().len());
    if text.chars().nth(MAX_TEXT).is_some() {
        cleaned.push('…');
    }
    cleaned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_cannot_forge_log_lines_or_flood_them() {
        assert_eq!(clean("a\nb\x1b[31mc\n"), "a b [31mc");
        let long = clean(&"é".repeat(5_000));
        assert_eq!(long.chars().count(), MAX_TEXT + 1);
    }
}
