//! Writes.

use super::super::schema::{Column, Table, quote};
use super::{
    TOO_LARGE, excluded_sequence, fits, insert_lists, kept, live, newer, newer_of_insert, value,
    version,
};

/// Updates or inserts. It updates first, since a row that is only updated need not name columns
/// that an insert cannot do without. `queued` rows are taken by their sequence alone. Answers
/// place, whether there was a live row, whether there was any, whether the row was taken, its
/// version and its value. Fails with [`TOO_LARGE`] where that is larger than `$2` bytes.
pub(in super::super) fn upsert(table: &Table, columns: &[usize], queued: bool) -> String {
    let fields: Vec<_> = columns
        .iter()
        .filter_map(|at| table.columns.get(*at))
        .collect();
    let names: Vec<String> = fields.iter().map(|column| quote(&column.name)).collect();
    let typed: String = (0..)
        .zip(&fields)
        .map(|(n, column)| format!(", f{n} {}", column.kind))
        .collect();
    let update = set(table, columns, (queued, false));
    let clashing = set(table, columns, (queued, true));
    let (newer, clash) = (newer(table, "r.s", queued), newer_of_insert(table, queued));
    let (into, from) = insert_lists(table, &names, (queued, false));
    let (value, fits, quoted) = (value(table), fits(table, "r.k"), &table.quoted);
    let (version, live, key) = (version(table), live(table), quote(&table.key.name));
    let typed_as_known = typed_as_known(&fields);
    let exists = format!("SELECT 1 FROM {quoted} t WHERE {fits}");
    format!(
        "WITH r AS (SELECT * FROM json_to_recordset($1::text::json) AS r(n int, k text, s bigint{typed})), \
         u AS (UPDATE {quoted} t SET {update} FROM r WHERE {fits}{newer}{typed_as_known} \
               RETURNING r.k AS k, {version} AS version, {value} AS v), \
         i AS (INSERT INTO {quoted} AS t ({into}) OVERRIDING SYSTEM VALUE SELECT {from} FROM r \
               WHERE NOT EXISTS ({exists}) \
               ON CONFLICT ({key}) DO UPDATE SET {clashing} WHERE {clash} \
               RETURNING t.{key}::text AS k, {version} AS version, {value} AS v), \
         done AS (SELECT * FROM u UNION ALL SELECT * FROM i) \
         SELECT CASE WHEN octet_length(done.v) > $2::bigint \
                     THEN ('{TOO_LARGE}' || octet_length(done.v))::int ELSE r.n END, \
                EXISTS ({exists}{live}), EXISTS ({exists}), done.k IS NOT NULL, done.version, done.v \
         FROM r LEFT JOIN done ON done.k = r.k COLLATE \"C\""
    )
}

/// Fails to be understood where a column has another type than was known: a value would pass through
/// that one on its way, and lose digits or a time zone without a word. Nothing of it is executed.
fn typed_as_known(fields: &[&Column]) -> String {
    let same = fields.iter().map(|column| {
        let (name, kind) = (quote(&column.name), &column.kind);
        format!("ARRAY[t.{name}] @> ARRAY[NULL::{kind}]")
    });
    let same: Vec<String> = same.collect();
    match same.is_empty() {
        true => String::new(),
        false => format!(" AND NOT (false AND ({}))", same.join(" OR ")),
    }
}

/// What a write sets of a row that is there, or that `clashes` with its insert: the columns that it
/// names, and of a row that is marked as deleted the others too, so that nothing comes back of what
/// was deleted.
fn set(table: &Table, columns: &[usize], (queued, clashes): (bool, bool)) -> String {
    let named = columns.iter().filter_map(|at| table.columns.get(*at));
    let named = named.map(|column| quote(&column.name)).enumerate();
    let mut set: Vec<String> = named
        .map(|(n, name)| match clashes {
            true => format!("{name} = EXCLUDED.{name}"),
            false => format!("{name} = r.f{n}"),
        })
        .collect();
    if let Some(deleted) = &table.deleted {
        let others = table.columns.iter().enumerate();
        let others = others.filter(|(at, _)| !columns.contains(at));
        set.extend(others.filter_map(|(_, column)| reset(table, column, deleted)));
    }
    let sequence = match clashes {
        true => excluded_sequence(table),
        false => "r.s".into(),
    };
    set.extend(kept(table, &sequence, (queued, false)));
    if set.is_empty() {
        let key = quote(&table.key.name);
        set.push(format!("{key} = t.{key}"));
    }
    set.join(", ")
}

fn reset(table: &Table, column: &Column, deleted: &str) -> Option<String> {
    let default = column.default.as_ref()?;
    let name = quote(&column.name);
    (column.name != table.key.name)
        .then(|| format!("{name} = CASE WHEN t.{deleted} IS TRUE THEN {default} ELSE t.{name} END"))
}
