//! The statements. A write takes its rows as one JSON array, so that one row and a thousand are
//! the same statement: `n` is the place in the batch, `k` the id, `s` the sequence and `f0`, `f1`…
//! the values of the columns that it sets.

mod delete;
mod upsert;

pub(super) use delete::delete;
pub(super) use upsert::upsert;

use super::schema::{Table, quote};

/// Begins the number that the server fails to read where a value is larger than it may be: an
/// error is what undoes a statement.
pub(super) const TOO_LARGE: &str = "larder: a value of bytes: ";

/// Loads the value of `$1`, unless it is larger than `$2` bytes: existence, size and value. It is
/// the row, or the columns of it that are to be shown.
pub(super) fn select(table: &Table, shown: Option<&[usize]>) -> String {
    let (value, fits, live) = (
        shown_value(table, shown),
        fits(table, "$1::text"),
        live(table),
    );
    format!(
        "SELECT octet_length(v)::bigint, CASE WHEN octet_length(v) <= $2::bigint THEN v END \
         FROM (SELECT {value} AS v FROM {} t WHERE {fits}{live} LIMIT 2 OFFSET 0) found",
        table.quoted
    )
}

/// Loads the values of many ids: place and value, of those that are there.
pub(super) fn select_many(table: &Table) -> String {
    let (value, fits, live) = (value(table), fits(table, "r.k"), live(table));
    format!(
        "SELECT r.n, CASE WHEN octet_length(found.v) <= $2::bigint THEN found.v END \
         FROM json_to_recordset($1::text::json) AS r(n int, k text) CROSS JOIN LATERAL \
         (SELECT {value} AS v FROM {} t WHERE {fits}{live} LIMIT 1) found",
        table.quoted
    )
}

/// Whether the key can be `$1`: it fails where its type has no such value.
pub(super) fn probe(table: &Table) -> String {
    format!("SELECT ($1::text)::{} IS NULL", table.key.kind)
}

/// The first half may use the index but follows the column's type, collation included; the second
/// holds the row to one spelling.
fn fits(table: &Table, id: &str) -> String {
    let (key, kind) = (quote(&table.key.name), &table.key.kind);
    format!("t.{key} = {id}::{kind} AND t.{key}::text = {id} COLLATE \"C\"")
}

fn live(table: &Table) -> String {
    table
        .deleted
        .as_ref()
        .map_or_else(String::new, |name| format!(" AND t.{name} IS NOT TRUE"))
}

/// The value of row `t`, as bytes.
fn value(table: &Table) -> String {
    shown_value(table, None)
}

fn shown_value(table: &Table, shown: Option<&[usize]>) -> String {
    let Some(column) = table.column.and_then(|at| table.columns.get(at)) else {
        let columns = table.columns.iter().enumerate();
        let columns = columns.filter(|(at, _)| shown.is_none_or(|shown| shown.contains(at)));
        let all: Vec<String> = columns
            .map(|(_, column)| column)
            .map(|column| format!("t.{}", quote(&column.name)))
            .collect();
        return format!(
            "convert_to((SELECT row_to_json(one)::text FROM (SELECT {}) one), 'UTF8')",
            all.join(", ")
        );
    };
    let name = quote(&column.name);
    match column.kind.as_str() {
        "bytea" => format!("t.{name}"),
        _ => format!("convert_to(t.{name}::text, 'UTF8')"),
    }
}

fn version(table: &Table) -> String {
    table
        .version
        .as_ref()
        .map_or_else(|| "NULL::bigint".into(), |name| format!("t.{name}::bigint"))
}

/// Only rows whose sequence is below that of the write, where it was queued.
fn newer(table: &Table, sequence: &str, queued: bool) -> String {
    match &table.sequence {
        Some(name) if queued => format!(" AND coalesce(t.{name} < {sequence}, true)"),
        _ => String::new(),
    }
}

/// A key that the column takes for another spelling of one that is there must not be overwritten.
fn newer_of_insert(table: &Table, queued: bool) -> String {
    let key = quote(&table.key.name);
    format!(
        "t.{key}::text = EXCLUDED.{key}::text COLLATE \"C\"{}",
        newer(table, &excluded_sequence(table), queued)
    )
}

fn excluded_sequence(table: &Table) -> String {
    table
        .sequence
        .as_deref()
        .map_or_else(String::new, |name| format!("EXCLUDED.{name}"))
}

/// What an update sets of the columns that are kept for Larder. A direct write leaves the sequence
/// alone: it comes after all that was queued before and before all that is queued later, and the
/// server's clock need not agree with the queue's.
fn kept(table: &Table, sequence: &str, (queued, dead): (bool, bool)) -> Vec<String> {
    let mut set = Vec::new();
    if let Some(name) = &table.version {
        set.push(format!("{name} = coalesce(t.{name}, 0) + 1"));
    }
    if let Some(name) = table.sequence.as_ref().filter(|_| queued) {
        set.push(format!("{name} = {sequence}"));
    }
    if let Some(name) = &table.deleted {
        set.push(format!("{name} = {dead}"));
    }
    set
}

/// The columns of an insert and where they come from.
fn insert_lists(table: &Table, names: &[String], (queued, dead): (bool, bool)) -> (String, String) {
    let mut into = vec![quote(&table.key.name)];
    let mut from = vec![format!("r.k::{}", table.key.kind)];
    into.extend(names.iter().cloned());
    from.extend((0..names.len()).map(|n| format!("r.f{n}")));
    for (name, value) in [
        (&table.version, "1"),
        (&table.sequence, if queued { "r.s" } else { "0" }),
        (&table.deleted, if dead { "true" } else { "false" }),
    ] {
        if let Some(name) = name {
            into.push(name.clone());
            from.push(value.into());
        }
    }
    (into.join(", "), from.join(", "))
}
