//! Rows as JSON objects, and back.

use std::collections::BTreeMap;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use larder_core::request::clip;
use rusqlite::Row;
use rusqlite::types::{Value as Sql, ValueRef};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::schema::{Column, Table};
use crate::{OriginError, Wanted, fields, whole};

/// A row as a JSON object of at most `max` bytes, the columns that are shown in table order.
pub(super) fn to_json(
    row: &Row<'_>,
    (table, shown): (&Table, Option<&[usize]>),
    max: u64,
) -> Result<Bytes, OriginError> {
    let mut out = vec![b'{'];
    let columns = table.columns.iter().enumerate();
    let columns = columns.filter(|(at, _)| shown.is_none_or(|shown| shown.contains(at)));
    for (at, (_, column)) in columns.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&column.label);
        let value = row
            .get_ref(at)
            .map_err(|error| OriginError::Failed(error.to_string()))?;
        push_value(&mut out, value, column)?;
        if out.len() as u64 >= max {
            return Err(OriginError::TooLarge { limit_bytes: max });
        }
    }
    out.push(b'}');
    Ok(out.into())
}

pub(super) fn push_value(
    out: &mut Vec<u8>,
    value: ValueRef<'_>,
    column: &Column,
) -> Result<(), OriginError> {
    let broken = |why: &str| OriginError::Broken(format!("column `{}` {why}", column.name));
    let pushed = match value {
        ValueRef::Null => out.write_all(b"null"),
        ValueRef::Integer(n @ (0 | 1)) if column.boolean => write!(out, "{}", n == 1),
        ValueRef::Integer(n) => write!(out, "{n}"),
        ValueRef::Real(n) if n.is_finite() => write!(out, "{}", Json::from(n)),
        ValueRef::Real(_) => return Err(broken("holds an infinite number, which JSON has not")),
        ValueRef::Text(text) => {
            let text = std::str::from_utf8(text)
                .map_err(|_| broken("holds text that is not UTF-8; store it as a blob"))?;
            match column.json.then(|| serde_json::from_str::<&RawValue>(text)) {
                Some(Ok(json)) => out.write_all(json.get().as_bytes()),
                _ => serde_json::to_writer(&mut *out, text).map_err(Into::into),
            }
        }
        ValueRef::Blob(bytes) => write!(out, "\"{}\"", STANDARD.encode(bytes)),
    };
    pushed.map_err(|error| OriginError::Failed(error.to_string()))
}

/// The row that a write of `body` leaves, where it names all of it.
pub(super) fn whole(table: &Table, wanted: &Wanted<'_>, body: &[u8]) -> Option<Bytes> {
    if table.stirred || !fields::asked(wanted).is_empty() {
        return None;
    }
    let key = table.columns.get(table.key)?;
    whole::row(&table.columns, (table.key, key.spelled(wanted.id)), body)
}

/// What a body sets: columns by their place in the table, the key left out, and the key as the
/// body spells it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields {
    pub(super) columns: Vec<usize>,
    pub(super) values: Vec<Sql>,
    pub(super) key: Option<Sql>,
}

/// Reads a body that is to be written under `id`.
pub(super) fn from_json(body: &[u8], id: &str, table: &Table) -> Result<Fields, OriginError> {
    let object: BTreeMap<String, &RawValue> = serde_json::from_slice(body).map_err(|error| {
        OriginError::Rejected(format!(
            "a row is written as a JSON object of its columns: {error}"
        ))
    })?;
    let mut fields = Fields::default();
    for (name, value) in object {
        let known = table.columns.iter().enumerate();
        let Some((at, column)) = known.into_iter().find(|(_, column)| column.name == name) else {
            return Err(OriginError::Rejected(format!(
                "no column `{}`; the table has: {}",
                clip(&name),
                table.column_list()
            )));
        };
        // A row is written as it was read; what the database computes it computes again.
        if column.generated && at != table.key {
            continue;
        }
        let value = sql(value.get(), column)?;
        if at == table.key {
            fields.key = Some(key(value, id, column)?);
        } else {
            fields.columns.push(at);
            fields.values.push(value);
        }
    }
    Ok(fields)
}

/// The key of a body, which must be the id that the body is written under.
fn key(value: Sql, id: &str, column: &Column) -> Result<Sql, OriginError> {
    let same = match &value {
        Sql::Text(text) => text == id,
        Sql::Integer(n) => n.to_string() == id,
        Sql::Real(n) => id.parse() == Ok(*n),
        Sql::Null | Sql::Blob(_) => false,
    };
    if same {
        return Ok(value);
    }
    Err(OriginError::Rejected(format!(
        "the body's `{}` is not the id `{}` that it is written under",
        column.name,
        clip(id)
    )))
}

/// A value of a body as it is handed to the database.
pub(super) fn sql(text: &str, column: &Column) -> Result<Sql, OriginError> {
    let refused = |why: &str| OriginError::Rejected(format!("column `{}` {why}", column.name));
    let value = serde_json::from_str(text).map_err(|error| refused(&error.to_string()))?;
    Ok(match value {
        Json::Null => Sql::Null,
        // As it is spelled; a number is kept as one.
        Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_) if column.json => {
            Sql::Text(text.to_owned())
        }
        Json::Bool(value) => Sql::Integer(value.into()),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(n), _) => Sql::Integer(n),
            (None, Some(n)) if !number.is_u64() => Sql::Real(n),
            _ => return Err(refused("takes whole numbers of 64 bits with a sign")),
        },
        Json::String(text) if column.blob => Sql::Blob(
            STANDARD
                .decode(text)
                .map_err(|_| refused("holds bytes: write them as base64"))?,
        ),
        Json::String(text) => Sql::Text(text),
        Json::Array(_) | Json::Object(_) => {
            return Err(refused(
                "takes no array or object: write it as a string, or declare the column as JSON",
            ));
        }
    })
}
