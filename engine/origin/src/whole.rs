//! What a body tells of the row that it is written to: the fields as a load will show them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

/// A column as rows show it.
pub(crate) trait Shown {
    fn name(&self) -> &str;

    /// Whether a write may set it.
    fn settable(&self) -> bool;

    /// A value as a load will show it once it was written, both as JSON; none where only the
    /// database can say, or it will refuse it.
    fn as_read<'v>(&self, written: &'v str) -> Option<Cow<'v, str>>;
}

/// The row, its columns in table order, that a write of `body` leaves whatever was there before;
/// none where that cannot be told from the body. The key column, at `key`, may be left out where
/// `id` says how rows spell it.
pub(crate) fn row<C: Shown>(
    columns: &[C],
    (key, id): (usize, Option<String>),
    body: &[u8],
) -> Option<Bytes> {
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    let mut out = String::with_capacity(body.len() + 64);
    for (at, column) in columns.iter().enumerate() {
        let written = fields.remove(column.name());
        let shown = match written {
            _ if at == key && id.is_some() => id.as_deref().map(Cow::Borrowed),
            Some(value) if column.settable() || at == key => column.as_read(value.get()),
            _ => None,
        };
        push(&mut out, column.name(), &shown?);
    }
    // What the table does not have it will refuse.
    fields.is_empty().then(|| closed(out)).flatten()
}

/// The fields that a write of `body` sets, beside the key, which a row has anyhow; none where one
/// of them cannot be told.
pub(crate) fn fields<C: Shown>(columns: &[C], key: &str, body: &[u8]) -> Option<Bytes> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(body).ok()?;
    let mut out = String::with_capacity(body.len() + 16);
    for (name, value) in fields.iter().filter(|(name, _)| *name != key) {
        let column = columns.iter().find(|column| column.name() == name)?;
        let shown = column.settable().then(|| column.as_read(value.get()));
        push(&mut out, name, &shown.flatten()?);
    }
    match out.is_empty() {
        true => Some(Bytes::from_static(b"{}")),
        false => closed(out),
    }
}

fn push(out: &mut String, name: &str, value: &str) {
    out.push(if out.is_empty() { '{' } else { ',' });
    out.push_str(&serde_json::Value::from(name).to_string());
    out.push(':');
    out.push_str(value);
}

fn closed(mut out: String) -> Option<Bytes> {
    (!out.is_empty()).then(|| {
        out.push('}');
        out.into()
    })
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

/// Whether JSON spells a text, as every writer of JSON would.
pub(crate) fn is_plain_text(written: &str) -> bool {
    written.starts_with('"') && !written.contains('\\')
}

/// Whether JSON spells a whole number of 64 bits, as every writer of JSON would.
pub(crate) fn is_plain_whole(written: &str) -> bool {
    let digits = written.strip_prefix('-').unwrap_or(written);
    let all = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    all && written.len() <= 18 && (!digits.starts_with('0') || written == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name, and whether a write may set it. What begins with `?` cannot be told.
    struct Column(&'static str, bool);

    impl Shown for Column {
        fn name(&self) -> &str {
            self.0
        }

        fn settable(&self) -> bool {
            self.1
        }

        fn as_read<'v>(&self, written: &'v str) -> Option<Cow<'v, str>> {
            (!written.starts_with("\"?")).then_some(Cow::Borrowed(written))
        }
    }

    fn text(made: Option<Bytes>) -> Option<String> {
        made.map(|made| String::from_utf8_lossy(&made).into_owned())
    }

    #[test]
    fn a_body_that_names_all_of_a_row_is_the_row() {
        let plain = || vec![Column("id", true), Column("n", true)];
        let made_by_the_table = || {
            vec![
                Column("id", true),
                Column("n", true),
                Column("total", false),
            ]
        };
        let made_key = || vec![Column("id", false), Column("n", true)];
        for (columns, id, body, expected) in [
            (plain(), Some("7"), r#"{"n":1}"#, Some(r#"{"id":7,"n":1}"#)),
            (
                plain(),
                None,
                r#"{ "n": 1, "id": "x" }"#,
                Some(r#"{"id":"x","n":1}"#),
            ),
            // The key is spelled as rows spell it, whatever the body does.
            (
                plain(),
                Some("7"),
                r#"{"id":"7","n":1}"#,
                Some(r#"{"id":7,"n":1}"#),
            ),
            // Nobody can say how the table spells the key, or what another column has.
            (plain(), None, r#"{"n":1}"#, None),
            (plain(), Some("7"), r#"{"id":7}"#, None),
            (plain(), Some("7"), "{}", None),
            (plain(), Some("7"), r#"{"n":"?"}"#, None),
            // The table will refuse it.
            (plain(), Some("7"), r#"{"n":1,"m":2}"#, None),
            (plain(), Some("7"), "[1]", None),
            (plain(), Some("7"), "no json", None),
            (
                plain(),
                Some("7"),
                r#"{"n":12345678901234567890.10}"#,
                Some(r#"{"id":7,"n":12345678901234567890.10}"#),
            ),
            // What the table makes of a row only the table says, named or not.
            (made_by_the_table(), Some("7"), r#"{"n":1}"#, None),
            (made_by_the_table(), Some("7"), r#"{"n":1,"total":2}"#, None),
            (
                made_key(),
                Some("7"),
                r#"{"n":1}"#,
                Some(r#"{"id":7,"n":1}"#),
            ),
        ] {
            let row = row(&columns, (0, id.map(str::to_owned)), body.as_bytes());
            assert_eq!(text(row).as_deref(), expected, "{body} {id:?}");
        }
    }

    #[test]
    fn fields_are_told_all_or_none() {
        let columns = [Column("id", true), Column("n", true), Column("sum", false)];
        for (body, expected) in [
            (r#"{"n":1}"#, Some(r#"{"n":1}"#)),
            (r#"{"id":"x","n":null}"#, Some(r#"{"n":null}"#)),
            (r#"{"id":"x"}"#, Some("{}")),
            ("{}", Some("{}")),
            (r#"{"n":"?"}"#, None),
            (r#"{"n":1,"sum":2}"#, None),
            (r#"{"n":1,"m":2}"#, None),
            ("[]", None),
        ] {
            let fields = fields(&columns, "id", body.as_bytes());
            assert_eq!(text(fields).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn what_needs_no_other_spelling_is_told_by_its_look() {
        for (written, text, whole) in [
            (r#""""#, true, false),
            (r#""a é""#, true, false),
            (r#""a\n""#, false, false),
            ("0", false, true),
            ("-7", false, true),
            ("123456789012345678", false, true),
            ("1234567890123456789", false, false),
            ("-0", false, false),
            ("-", false, false),
            ("1.0", false, false),
            ("1e2", false, false),
            ("null", false, false),
        ] {
            let is = (is_plain_text(written), is_plain_whole(written));
            assert_eq!(is, (text, whole), "{written}");
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
