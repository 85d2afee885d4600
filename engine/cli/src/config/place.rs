//! Where in the file something is that is wrong, for tables that are read when the text is no longer
//! at hand.

use toml::de::{DeTable, DeValue};

/// The line of what `why` is about: the first key that it names in `backticks` and the table at
/// `path` has, or else the table's own.
pub(super) fn line_of(text: &str, path: &[&str], why: &str) -> Option<usize> {
    let root = DeTable::parse(text).ok()?;
    let mut table = root.get_ref();
    let mut at = None;
    for part in path {
        let (key, inner) = named(table, part)?;
        at = Some(key);
        table = inner?;
    }
    for word in why
        .split('`')
        .skip(1)
        .step_by(2)
        .flat_map(|word| word.split('.'))
    {
        let Some((key, inner)) = named(table, word) else {
            continue;
        };
        at = Some(key);
        match inner {
            Some(inner) => table = inner,
            None => break,
        }
    }
    let before = text.get(..at?)?;
    Some(1 + before.matches('\n').count())
}

/// Where a key begins, and the table below it, if it is one.
fn named<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<(usize, Option<&'t DeTable<'i>>)> {
    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
    let inner = match value.get_ref() {
        DeValue::Table(inner) => Some(inner),
        _ => None,
    };
    Some((key.span().start, inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_line_of_the_key_or_of_its_table() {
        let text = "[store]\ntype = 'redis'\n\n[origin.a]\npath = 'x'\ntimeout = '2 s'\n\
                    [origin.a.limits]\nwait = 1\n[origin.b]\nlimits = { wait = 2 }\n";
        for (path, why, line) in [
            (&["store"][..], "`[store]`: unknown type `redis`", Some(1)),
            (&["store"], "unknown field `type`, expected `url`", Some(2)),
            (&["origin", "a"], "missing field `key`", Some(4)),
            (
                &["origin", "a"],
                "`2 s` is no duration in `timeout`",
                Some(6),
            ),
            (&["origin", "a"], "`limits`: unknown field `wait`", Some(8)),
            (&["origin", "a"], "in `limits.wait`", Some(8)),
            (&["origin", "b"], "`limits`: `wait`", Some(10)),
            (&["origin", "c"], "missing field `key`", None),
        ] {
            assert_eq!(line_of(text, path, why), line, "{why}");
        }
        assert_eq!(line_of("[origin", &["origin"], ""), None);
    }
}
