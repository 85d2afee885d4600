//! Ids and values on their way to the server.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use larder_core::Value;
use larder_core::request::clip;
use serde_json::value::RawValue;

use super::schema::{Column, Table};
use crate::{OriginError, Wanted, fields, whole};

/// What one write sets: the columns by their place in the table, and a JSON object for the
/// statement.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) columns: Vec<usize>,
    pub(super) json: String,
}

/// Whether the key column can hold this very spelling.
pub(super) fn fits(id: &str, key: &Column) -> bool {
    let whole = |low: i64, high: i64| {
        id.parse::<i64>()
            .is_ok_and(|n| (low..=high).contains(&n) && n.to_string() == id)
    };
    match key.kind.as_str() {
        "smallint" => whole(i16::MIN.into(), i16::MAX.into()),
        "integer" => whole(i32::MIN.into(), i32::MAX.into()),
        "bigint" => whole(i64::MIN, i64::MAX),
        "uuid" => {
            id.len() == 36
                && id.char_indices().all(|(at, c)| match at {
                    8 | 13 | 18 | 23 => c == '-',
                    _ => matches!(c, '0'..='9' | 'a'..='f'),
                })
        }
        _ => !id.contains('\0'),
    }
}

/// The row that a write of `body` leaves, where it names all of it.
pub(super) fn whole(table: &Table, wanted: &Wanted<'_>, body: &[u8]) -> Option<Bytes> {
    if table.stirred || !fields::asked(wanted).is_empty() {
        return None;
    }
    let id = wanted.id;
    let id = match table.key.kind.as_str() {
        "smallint" | "integer" | "bigint" => whole::as_number(id),
        "text" | "character varying" | "uuid" => Some(whole::as_text(id)),
        _ => None,
    };
    let key = |column: &Column| column.name == table.key.name;
    let key = table.columns.iter().position(key)?;
    whole::row(&table.columns, (key, id), body)
}

/// A write of `value`, or a delete, as the `place`th of its statement.
pub(super) fn of(
    (place, id, sequence): (usize, &str, u64),
    value: Option<&Value>,
    (table, max): (&Table, u64),
) -> Result<Row, OriginError> {
    if table.read_only {
        return Err(OriginError::Rejected(
            "it is a view or a table of another server, which is only read: write the table that it \
             shows".into(),
        ));
    }
    let mut columns = Vec::new();
    let mut json = format!(
        "{{\"n\":{place},\"k\":{},\"s\":{}",
        serde_json::Value::from(id),
        i64::try_from(sequence).unwrap_or(i64::MAX)
    );
    if let Some(value) = value {
        // An id that is not there need not be refused to be deleted.
        if !fits(id, &table.key) {
            return Err(OriginError::Rejected(format!(
                "column `{}` of type {} does not keep the id as `{}`: use the spelling that it has",
                table.key.name,
                table.key.kind,
                clip(id)
            )));
        }
        if value.bytes.len() as u64 > max {
            return Err(OriginError::WriteTooLarge { limit_bytes: max });
        }
        match table.column {
            Some(at) => {
                columns.push(at);
                let kind = table
                    .columns
                    .get(at)
                    .map_or("", |column| column.kind.as_str());
                let _ = write!(json, ",\"f0\":{}", single(&value.bytes, kind)?);
            }
            None => object(&value.bytes, id, table, (&mut columns, &mut json))?,
        }
    }
    json.push('}');
    Ok(Row { columns, json })
}

/// The value of a table in which one column holds it.
fn single(bytes: &[u8], kind: &str) -> Result<String, OriginError> {
    let refused = |why: &str| OriginError::Rejected(why.into());
    if kind == "bytea" {
        let mut hex = String::with_capacity(bytes.len() * 2 + 5);
        hex.push_str("\"\\\\x");
        for byte in bytes {
            let _ = write!(hex, "{byte:02x}");
        }
        hex.push('"');
        return Ok(hex);
    }
    if kind.starts_with("json") {
        let raw: &RawValue = serde_json::from_slice(bytes)
            .map_err(|error| OriginError::Rejected(format!("the value is not JSON: {error}")))?;
        return match raw.get() {
            "null" => Err(refused(
                "a value of null reads as no value: delete it instead",
            )),
            text => Ok(text.into()),
        };
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|_| refused("the value is not UTF-8, which a text column needs"))?;
    if text.contains('\0') {
        return Err(refused(
            "the value holds a NUL byte, which no text column takes",
        ));
    }
    Ok(serde_json::Value::from(text).to_string())
}

/// The fields of a body, numbers as it spells them.
fn object(
    bytes: &[u8],
    id: &str,
    table: &Table,
    (columns, json): (&mut Vec<usize>, &mut String),
) -> Result<(), OriginError> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_slice(bytes).map_err(|error| {
        OriginError::Rejected(format!(
            "a row is written as a JSON object of its columns: {error}"
        ))
    })?;
    for (name, value) in fields {
        let known = table
            .columns
            .iter()
            .enumerate()
            .find(|(_, column)| column.name == name);
        let Some((at, column)) = known else {
            let names: Vec<&str> = table
                .columns
                .iter()
                .map(|column| column.name.as_str())
                .collect();
            return Err(OriginError::Rejected(format!(
                "no column `{}`; a write may set: {}",
                clip(&name),
                names.join(", ")
            )));
        };
        if name == table.key.name {
            let text: Option<String> = serde_json::from_str(value.get()).ok();
            if text.as_deref().unwrap_or(value.get()) != id {
                return Err(OriginError::Rejected(format!(
                    "the body's `{name}` is not the id `{}` that it is written under",
                    clip(id)
                )));
            }
        } else if column.settable {
            let _ = write!(json, ",\"f{}\":{}", columns.len(), value.get());
            columns.push(at);
        }
    }
    Ok(())
}
