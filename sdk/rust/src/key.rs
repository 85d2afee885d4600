//! Keys that no user text can forge.

/// Joins `parts` with `:`, and percent-encodes `:` and `%` within each: different parts never
/// make the same key, whatever text an id holds.
///
/// ```
/// use larder_sdk::key;
///
/// assert_eq!(key(["product", "42"]), "product:42");
/// assert_eq!(key(["product", "42:price"]), "product:42%3Aprice");
/// assert_eq!(key(["product", "42", "price"]), "product:42:price");
/// ```
///
/// Tags are made the same way. Do not join some of the parts beforehand: `key([a + ":" + b])`
/// escapes the colon in the middle.
pub fn key<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut key = String::new();
    for (i, part) in parts.into_iter().enumerate() {
        if i > 0 {
            key.push(':');
        }
        push_escaped(&mut key, part.as_ref());
    }
    key
}

fn push_escaped(key: &mut String, part: &str) {
    if !part.contains([':', '%']) {
        return key.push_str(part);
    }
    for c in part.chars() {
        match c {
            ':' => key.push_str("%3A"),
            '%' => key.push_str("%25"),
            c => key.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::key;

    #[test]
    fn different_parts_never_make_the_same_key() {
        let texts = ["", "a", ":", "%", "a:", ":a", "%3A", "a%3A", "%25"];
        let mut seen = HashMap::new();
        for a in texts {
            for b in texts {
                for parts in [vec![a, b], vec![a, b, ""], vec!["", a, b]] {
                    if let Some(other) = seen.insert(key(&parts), parts.clone()) {
                        assert_eq!(other, parts);
                    }
                }
            }
        }
    }
}
