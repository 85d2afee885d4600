//! Deletes.

use super::super::schema::{Table, quote};
use super::{excluded_sequence, fits, insert_lists, kept, live, newer, newer_of_insert, version};

/// Deletes, or marks as deleted. Answers as [`super::upsert`] does, without a value. With `bury`,
/// queued ones leave a mark where there is no row, so that an older write that is handed over late
/// does not make one.
pub(in super::super) fn delete(table: &Table, queued: bool, bury: bool) -> String {
    let (fits, quoted) = (fits(table, "r.k"), &table.quoted);
    let (newer, live) = (newer(table, "r.s", queued), live(table));
    let version = version(table);
    let change = match &table.deleted {
        // A row that is gone has no version.
        None => format!(
            "d AS (DELETE FROM {quoted} t USING r WHERE {fits}{newer} \
             RETURNING r.k AS k, NULL::bigint AS version)"
        ),
        Some(_) => {
            let set = kept(table, "r.s", (queued, true)).join(", ");
            // A dead row takes the place of what was queued.
            let live = if queued { "" } else { &live };
            format!(
                "u AS (UPDATE {quoted} t SET {set} FROM r WHERE {fits}{newer}{live} \
                 RETURNING r.k AS k, {version} AS version){}",
                if bury { mark(table) } else { "".into() }
            )
        }
    };
    let done = match (&table.deleted, bury) {
        (None, _) => "d",
        (Some(_), false) => "u",
        (Some(_), true) => "(SELECT * FROM u UNION ALL SELECT * FROM i)",
    };
    format!(
        "WITH r AS (SELECT * FROM json_to_recordset($1::text::json) AS r(n int, k text, s bigint)), \
         {change} \
         SELECT r.n, EXISTS (SELECT 1 FROM {quoted} t WHERE {fits}{live}), true, \
                done.k IS NOT NULL, done.version, NULL::bytea \
         FROM r LEFT JOIN {done} done ON done.k = r.k COLLATE \"C\""
    )
}

/// Inserts rows of nothing but a key that are marked as deleted.
fn mark(table: &Table) -> String {
    let (fits, quoted) = (fits(table, "r.k"), &table.quoted);
    let (version, key) = (version(table), quote(&table.key.name));
    let (into, from) = insert_lists(table, &[], (true, true));
    let set = kept(table, &excluded_sequence(table), (true, true)).join(", ");
    let clash = newer_of_insert(table, true);
    format!(
        ", i AS (INSERT INTO {quoted} AS t ({into}) OVERRIDING SYSTEM VALUE SELECT {from} FROM r \
         WHERE NOT EXISTS (SELECT 1 FROM {quoted} t WHERE {fits}) \
         ON CONFLICT ({key}) DO UPDATE SET {set} WHERE {clash} \
         RETURNING t.{key}::text AS k, {version} AS version)"
    )
}
