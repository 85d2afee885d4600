//! Bodies that name all of a row, so that nothing of what was there shows through.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

/// A column as rows show it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) name: &'a str,
    /// Whether a write may set it.
    pub(crate) settable: bool,
}

/// The row, its columns in table order, that a write of `body` leaves whatever was there before;
/// none where that cannot be told from the body. The column `key` may be left out where `id` says
/// how rows spell it.
pub(crate) fn row<'a>(
    columns: impl Iterator<Item = Shown<'a>>,
    (key, id): (&str, Option<String>),
    body: &[u8],
) -> Option<Bytes> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    let mut out = String::with_capacity(body.len() + 64);
    for column in columns {
        out.push(if out.is_empty() { '{' } else { ',' });
        out.push_str(&serde_json::Value::from(column.name).to_string());
        out.push(':');
        match fields.remove(column.name) {
            Some(value) if column.settable || column.name == key => out.push_str(value.get()),
            None if column.name == key => out.push_str(id.as_deref()?),
            _ => return None,
        }
    }
    out.push('}');
    (fields.is_empty() && out.len() > 1).then(|| out.into())
}

/// An id as a column of numbers has it; none where it is the spelling of none.
pub(crate) fn as_number(id: &str) -> Option<String> {
    let number: i64 = id.parse().ok()?;
    let text = number.to_string();
    (text == id).then_some(text)
}

/// An id as a column of text has it.
pub(crate) fn as_text(id: &str) -> String {
    serde_json::Value::from(id).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_names_all_of_a_row_is_the_row() {
        let made = |columns: &[(&str, bool)], id: Option<&str>, body: &str| {
            let columns = columns.iter().map(|(name, settable)| Shown {
                name,
                settable: *settable,
            });
            let row = row(columns, ("id", id.map(str::to_owned)), body.as_bytes())?;
            Some(String::from_utf8_lossy(&row).into_owned())
        };
        let plain = [("id", true), ("n", true)];
        let made_by_the_table = [("id", true), ("n", true), ("total", false)];
        let made_key = [("id", false), ("n", true)];
        for (columns, id, body, expected) in [
            (
                &plain[..],
                Some("7"),
                r#"{"n":1}"#,
                Some(r#"{"id":7,"n":1}"#),
            ),
            (
                &plain,
                None,
                r#"{ "n": 1, "id": "x" }"#,
                Some(r#"{"id":"x","n":1}"#),
            ),
            // Nobody can say how the table spells the key, or what another column has.
            (&plain, None, r#"{"n":1}"#, None),
            (&plain, Some("7"), r#"{"id":7}"#, None),
            (&plain, Some("7"), "{}", None),
            // The table will refuse it.
            (&plain, Some("7"), r#"{"n":1,"m":2}"#, None),
            (&plain, Some("7"), "[1]", None),
            (&plain, Some("7"), "no json", None),
            // Numbers and nested values stay as they are spelled.
            (
                &plain,
                Some("7"),
                r#"{"n":12345678901234567890.10}"#,
                Some(r#"{"id":7,"n":12345678901234567890.10}"#),
            ),
            // What the table makes of a row only the table says, named or not.
            (&made_by_the_table, Some("7"), r#"{"n":1}"#, None),
            (&made_by_the_table, Some("7"), r#"{"n":1,"total":2}"#, None),
            (
                &made_key,
                Some("7"),
                r#"{"n":1}"#,
                Some(r#"{"id":7,"n":1}"#),
            ),
        ] {
            assert_eq!(
                made(columns, id, body).as_deref(),
                expected,
                "{body} {id:?}"
            );
        }
    }

    #[test]
    fn an_id_is_a_number_in_one_spelling_only() {
        for (id, number) in [
            ("7", true),
            ("-7", true),
            ("07", false),
            ("x", false),
            ("1e2", false),
        ] {
            assert_eq!(as_number(id).is_some(), number, "{id}");
        }
        assert_eq!(as_text("a\"b"), r#""a\"b""#);
    }
}
