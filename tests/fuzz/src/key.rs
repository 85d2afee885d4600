//! Names: keys, tags and patterns.

use larder::core::{Dependency, Key, Pattern};
use percent_encoding::percent_decode_str;

/// Tenant, namespace and key.
type Name<'a> = [&'a str; 3];

/// Names of the same meaning are one, others never, and patterns match by what was named.
pub fn check(data: &[u8]) {
    let mut texts = data.split(|byte| *byte == 0xff).map(std::str::from_utf8);
    let mut next = || texts.next().unwrap_or(Ok("")).unwrap_or("");
    let a: Name<'_> = [next(), next(), next()];
    let b: Name<'_> = [next(), next(), next()];
    let glob = next();
    for name in [a, b] {
        one(name);
    }
    two(a, b);
    for name in [a, b] {
        pattern(a, glob, name);
    }
}

fn key([tenant, namespace, key]: Name<'_>) -> Key {
    Key::new(tenant, namespace, key)
}

fn one(name: Name<'_>) {
    let key = key(name);
    for form in [key.storage(), key.logical()] {
        let structural = |c: char| matches!(c, '{' | '}') || c.is_whitespace() || c.is_control();
        assert!(!form.contains(structural), "{form}");
        assert!(form.splitn(3, ':').count() == 3, "{form}");
    }
    // What can be read back in full has been neither forged nor lost.
    for (part, text) in key.logical().splitn(3, ':').zip(name) {
        let read = percent_decode_str(part).decode_utf8();
        assert_eq!(read.as_deref(), Ok(text), "{key}");
    }
    for (part, text) in key
        .storage()
        .splitn(3, ':')
        .zip(key.logical().splitn(3, ':'))
    {
        assert!(
            part == text || (part.starts_with('~') && part.len() == 65),
            "{key}"
        );
    }
    // Nobody names a digest: what a store shows of a long name is the name of something else.
    let mut shown = key.storage().splitn(3, ':');
    let shown: Name<'_> = std::array::from_fn(|_| shown.next().unwrap_or_default());
    assert_eq!(shown == name, self::key(shown) == key, "{key}");
    let kept = Key::of_stored(key.storage().clone(), key.logical().clone());
    assert_eq!((&kept, kept.logical()), (&key, key.logical()));
}

fn two(a: Name<'_>, b: Name<'_>) {
    let (x, y) = (key(a), key(b));
    assert_eq!(a == b, x == y, "{x} {y}");
    assert_eq!(a == b, x.logical() == y.logical(), "{x} {y}");
    let (tag, other) = (Dependency::tag(a[0], a[1]), Dependency::tag(b[0], b[1]));
    assert_eq!(a[..2] == b[..2], tag == other, "{tag} {other}");
    assert_ne!(Dependency::namespace(a[0], a[1]), other);
}

/// A pattern in the namespace of `of` matches `name` if the glob matches the key as it was named.
fn pattern(of: Name<'_>, glob: &str, name: Name<'_>) {
    let Ok(pattern) = Pattern::new(of[0], of[1], glob) else {
        assert!(glob.is_empty() || glob.len() > larder::core::pattern::MAX_BYTES);
        return;
    };
    let key = key(name);
    let same = of[..2] == name[..2];
    let expected = same && matches(glob, name[2]);
    assert_eq!(pattern.matches(key.logical()), expected, "{pattern} {key}");
    assert_eq!(key.storage().starts_with(pattern.storage_prefix()), same);
    let may = pattern.may_match_storage(key.storage());
    assert!(may || !expected, "{pattern} {key}");
    let digest = key.storage().splitn(3, ':').nth(2);
    let digest = digest.is_some_and(|part| part.starts_with('~'));
    assert!(!may || expected || digest, "{pattern} {key}");
}

/// Globs in the plainest way there is.
fn matches(glob: &str, text: &str) -> bool {
    let text: Vec<_> = text.chars().collect();
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    for wanted in glob.chars() {
        if wanted == '*' {
            for at in 0..text.len() {
                reached[at + 1] |= reached[at];
            }
            continue;
        }
        for at in (0..text.len()).rev() {
            reached[at + 1] = reached[at] && (wanted == '?' || wanted == text[at]);
        }
        reached[0] = false;
    }
    reached[text.len()]
}
