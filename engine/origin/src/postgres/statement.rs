//! The statements. A write takes its rows as one JSON array, so that one row and a thousand are
//! the same statement: `n` is the place in the batch, `k` the id, `s` the sequence and `f0`, `f1`…
//! the values of the columns that it sets.

use super::schema::{Table, quote};

/// Loads the value of `$1`, unless it is larger than `$2` bytes: existence, size and value.
pub(super) fn select(table: &Table) -> String {
    let (value, fits) = (value(table), fits(table, "$1::text"));
    let live = table.deleted.as_ref().map_or_else(String::new, |deleted| {
        format!(" AND t.{deleted} IS NOT TRUE")
    });
    format!(
        "SELECT octet_length(v)::bigint, CASE WHEN octet_length(v) <= $2::bigint THEN v END \
         FROM (SELECT {value} AS v FROM {} t WHERE {fits}{live} LIMIT 2 OFFSET 0) found",
        table.quoted
    )
}

/// Updates or inserts. It updates first, since a row that is only updated need not name columns
/// that an insert cannot do without. `queued` rows are taken by their sequence alone. Answers
/// place, whether there was a live row, whether the row was taken, its version and its value.
pub(super) fn upsert(table: &Table, columns: &[usize], queued: bool) -> String {
    let fields: Vec<_> = columns
        .iter()
        .filter_map(|at| table.columns.get(*at))
        .collect();
    let names: Vec<String> = fields.iter().map(|column| quote(&column.name)).collect();
    let typed: String = (0..)
        .zip(&fields)
        .map(|(n, column)| format!(", f{n} {}", column.kind))
        .collect();
    let newer = newer(table, "r.s", queued);
    let clash = newer_of_insert(table, queued);
    let own = |prefix: &dyn Fn(usize, &str) -> String, sequence: &str| {
        let mut set: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(n, name)| format!("{name} = {}", prefix(n, name)))
            .collect();
        set.extend(kept(table, sequence, queued));
        if set.is_empty() {
            let key = quote(&table.key.name);
            set.push(format!("{key} = t.{key}"));
        }
        set.join(", ")
    };
    let update = own(&|n, _| format!("r.f{n}"), "r.s");
    let sequence = table
        .sequence
        .as_deref()
        .map_or_else(String::new, |name| format!("EXCLUDED.{name}"));
    let clashing = own(&|_, name| format!("EXCLUDED.{name}"), &sequence);
    let (into, from) = insert_lists(table, &names, queued);
    let (value, fits, quoted) = (value(table), fits(table, "r.k"), &table.quoted);
    let version = version(table);
    let key = quote(&table.key.name);
    let exists = format!("SELECT 1 FROM {quoted} t WHERE {fits}");
    let live = live(table);
    format!(
        "WITH r AS (SELECT * FROM json_to_recordset($1::text::json) AS r(n int, k text, s bigint{typed})), \
         u AS (UPDATE {quoted} t SET {update} FROM r WHERE {fits}{newer} \
               RETURNING r.k AS k, {version} AS version, {value} AS v), \
         i AS (INSERT INTO {quoted} AS t ({into}) OVERRIDING SYSTEM VALUE SELECT {from} FROM r \
               WHERE NOT EXISTS ({exists}) \
               ON CONFLICT ({key}) DO UPDATE SET {clashing} WHERE {clash} \
               RETURNING t.{key}::text AS k, {version} AS version, {value} AS v), \
         done AS (SELECT * FROM u UNION ALL SELECT * FROM i) \
         SELECT r.n, EXISTS ({exists}{live}), EXISTS ({exists}), done.k IS NOT NULL, done.version, done.v \
         FROM r LEFT JOIN done ON done.k = r.k COLLATE \"C\""
    )
}

/// Deletes, or marks as deleted. Answers as [`upsert`] does, without a value.
pub(super) fn delete(table: &Table, queued: bool) -> String {
    let (fits, quoted) = (fits(table, "r.k"), &table.quoted);
    let newer = newer(table, "r.s", queued);
    let version = version(table);
    let live = live(table);
    let change = match &table.deleted {
        None => format!("DELETE FROM {quoted} t USING r WHERE {fits}{newer}"),
        Some(deleted) => {
            let mut set = kept(table, "r.s", queued);
            set.retain(|one| !one.starts_with(deleted.as_str()));
            set.push(format!("{deleted} = true"));
            let live = if queued { "" } else { &live };
            format!(
                "UPDATE {quoted} t SET {} FROM r WHERE {fits}{newer}{live}",
                set.join(", ")
            )
        }
    };
    format!(
        "WITH r AS (SELECT * FROM json_to_recordset($1::text::json) AS r(n int, k text, s bigint)), \
         d AS ({change} RETURNING r.k AS k, {version} AS version) \
         SELECT r.n, EXISTS (SELECT 1 FROM {quoted} t WHERE {fits}{live}), true, d.k IS NOT NULL, \
                d.version, NULL::bytea FROM r LEFT JOIN d ON d.k = r.k COLLATE \"C\""
    )
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
    let Some(column) = table.column.and_then(|at| table.columns.get(at)) else {
        let all: Vec<String> = table
            .columns
            .iter()
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
        .map_or_else(|| "NULL::bigint".into(), |name| format!("t.{name}"))
}

fn newer(table: &Table, sequence: &str, queued: bool) -> String {
    match &table.sequence {
        Some(name) if queued => format!(" AND coalesce(t.{name} < {sequence}, true)"),
        _ => String::new(),
    }
}

/// A key that the column takes for another spelling of one that is there must not be overwritten.
fn newer_of_insert(table: &Table, queued: bool) -> String {
    let key = quote(&table.key.name);
    let sequence = table
        .sequence
        .as_deref()
        .map_or_else(String::new, |name| format!("EXCLUDED.{name}"));
    format!(
        "t.{key}::text = EXCLUDED.{key}::text COLLATE \"C\"{}",
        newer(table, &sequence, queued)
    )
}

const NOW: &str = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// What an update sets of the columns that are kept for Larder.
fn kept(table: &Table, sequence: &str, queued: bool) -> Vec<String> {
    let mut set = Vec::new();
    if let Some(name) = &table.version {
        set.push(format!("{name} = coalesce(t.{name}, 0) + 1"));
    }
    match &table.sequence {
        Some(name) if queued => set.push(format!("{name} = {sequence}")),
        Some(name) => set.push(format!(
            "{name} = greatest(coalesce(t.{name}, 0) + 1, {NOW})"
        )),
        None => {}
    }
    if let Some(name) = &table.deleted {
        set.push(format!("{name} = false"));
    }
    set
}

/// The columns of an insert and where they come from.
fn insert_lists(table: &Table, names: &[String], queued: bool) -> (String, String) {
    let mut into = vec![quote(&table.key.name)];
    let mut from = vec![format!("r.k::{}", table.key.kind)];
    into.extend(names.iter().cloned());
    from.extend((0..names.len()).map(|n| format!("r.f{n}")));
    let sequence = if queued { "r.s" } else { NOW };
    for (name, value) in [
        (&table.version, "1"),
        (&table.sequence, sequence),
        (&table.deleted, "false"),
    ] {
        if let Some(name) = name {
            into.push(name.clone());
            from.push(value.into());
        }
    }
    (into.join(", "), from.join(", "))
}
