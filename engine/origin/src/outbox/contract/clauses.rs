//! The clauses. Each has a table of its own, which is empty when it begins.

use std::time::Duration;

use super::Database;
use crate::outbox::{Outbox, Page, Place, Row, TEXT_MAX};

/// Ids with a character in them that has a meaning somewhere: in keys, tags, patterns, paths, queries,
/// SQL, JSON and shells.
pub const ODD_IDS: [&str; 26] = [
    "42",
    "042",
    "-1",
    "",
    "sku:1",
    "50%",
    "50%25",
    "a/b",
    "a//b/",
    "a?b=c&d",
    "a#b",
    "a*b?",
    "{slot}",
    "~home",
    "back\\slash",
    "it's",
    "say \"so\"",
    " blank at both ends ",
    "a,b;c",
    "..",
    "../../etc",
    "line\nbreak\ttab",
    "grün 日本 🦀",
    "e\u{301}",
    "$1 || 'x' --",
    "6F9619FF-8B86-D011-B42D-00C04FC964FF",
];

/// Reads when nothing holds rows back: the housekeeping of a server may for a moment.
async fn read(outbox: &dyn Outbox, after: Place, limit: usize) -> Page {
    for _ in 0..1000 {
        let page = outbox.read(after, limit).await.expect("is read");
        if page.held_ms.is_none() {
            return page;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("rows are held back for good");
}

async fn rows(outbox: &dyn Outbox, after: Place) -> Vec<Row> {
    read(outbox, after, 1000).await.rows
}

/// The place of the last row of all.
async fn end(outbox: &dyn Outbox) -> Place {
    let rows = rows(outbox, Place::START).await;
    rows.last().map_or(Place::START, |row| row.place)
}

fn targets(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.target.as_str()).collect()
}

async fn put(database: &dyn Database, target: &str) {
    let sql = format!("INSERT INTO larder_outbox (kind, target) VALUES ('tag', '{target}');");
    database.run(&sql).await;
}

pub(super) async fn an_empty_table_has_nothing(_: &dyn Database, outbox: &dyn Outbox) {
    let first = read(outbox, Place::START, 10).await;
    assert_eq!((first.rows.len(), first.intact), (0, true));
    assert!(first.now.0 > 1_700_000_000_000, "{:?}", first.now);
    let second = read(outbox, Place::START, 10).await;
    assert!(second.now >= first.now);
    assert_eq!(outbox.remove(Place::START, 10).await, Ok(0));
}

/// What is left out has its default; texts are answered as they are, up to a bound.
pub(super) async fn rows_come_as_they_were_written(database: &dyn Database, outbox: &dyn Outbox) {
    let long = "x".repeat(TEXT_MAX + 100);
    let sql = format!(
        "INSERT INTO larder_outbox (kind, target) VALUES ('tag', 'grün ''日本'' %\\ {{}}');
         INSERT INTO larder_outbox (kind, tenant, namespace, target, mode)
             VALUES ('key', 'acme', 'product', 'product:42', 'expire');
         INSERT INTO larder_outbox (kind, target) VALUES ('', '{long}');"
    );
    database.run(&sql).await;
    let rows = rows(outbox, Place::START).await;
    let [tag, key, odd] = rows.as_slice() else {
        panic!("{rows:?}");
    };
    let expected = Row {
        place: tag.place,
        kind: "tag".into(),
        target: "grün '日本' %\\ {}".into(),
        mode: "purge".into(),
        ..Row::default()
    };
    assert_eq!(*tag, expected);
    let expected = Row {
        place: key.place,
        kind: "key".into(),
        tenant: "acme".into(),
        namespace: "product".into(),
        target: "product:42".into(),
        mode: "expire".into(),
        ..Row::default()
    };
    assert_eq!(*key, expected);
    assert_eq!((odd.kind.as_str(), odd.target.len()), ("", TEXT_MAX + 1));
}

/// An id is a text of any characters, and nobody has to escape any of them.
pub(super) async fn a_row_is_named_by_its_resource_and_its_id(
    database: &dyn Database,
    outbox: &dyn Outbox,
) {
    for id in ODD_IDS {
        let place = end(outbox).await;
        let literal = id.replace('\'', "''");
        let sql = format!(
            "INSERT INTO larder_outbox (resource, row_id) VALUES ('product', '{literal}');"
        );
        database.run(&sql).await;
        let rows = rows(outbox, place).await;
        let [row] = rows.as_slice() else {
            panic!("{id:?}: {rows:?}");
        };
        let expected = Row {
            place: row.place,
            kind: "row".into(),
            resource: "product".into(),
            row_id: id.into(),
            mode: "purge".into(),
            ..Row::default()
        };
        assert_eq!(*row, expected);
    }
}

pub(super) async fn rows_come_once_and_in_order(database: &dyn Database, outbox: &dyn Outbox) {
    put(database, "before").await;
    let mut place = end(outbox).await;
    assert_ne!(place, Place::START);
    let expected: Vec<String> = (0..25).map(|n| format!("order-{n}")).collect();
    for target in &expected {
        put(database, target).await;
    }
    let mut seen = Vec::new();
    loop {
        let page = read(outbox, place, 10).await;
        assert!(page.intact);
        assert!(page.rows.len() <= 10);
        let places: Vec<Place> = page.rows.iter().map(|row| row.place).collect();
        assert!(places.is_sorted() && places.first().is_none_or(|first| *first > place));
        seen.extend(page.rows.iter().map(|row| row.target.clone()));
        place = places.last().copied().unwrap_or(place);
        if page.rows.len() < 10 {
            break;
        }
    }
    assert_eq!(seen, expected);
    assert_eq!(rows(outbox, place).await, []);
}

pub(super) async fn what_is_rolled_back_never_comes(database: &dyn Database, outbox: &dyn Outbox) {
    put(database, "before").await;
    let place = end(outbox).await;
    let sql = "BEGIN; INSERT INTO larder_outbox (kind, target) VALUES ('tag', 'never'); ROLLBACK;";
    database.run(sql).await;
    assert_eq!(rows(outbox, place).await, []);
    put(database, "kept").await;
    assert_eq!(targets(&rows(outbox, place).await), ["kept"]);
}

pub(super) async fn only_what_is_before_is_removed(database: &dyn Database, outbox: &dyn Outbox) {
    for n in 0..30 {
        put(database, &format!("old-{n}")).await;
    }
    put(database, "kept").await;
    let before = rows(outbox, Place::START).await;
    let place = end(outbox).await;
    put(database, "later").await;
    let rest = before.len() as u64 - 1;
    assert_eq!(outbox.remove(place, 2).await, Ok(2));
    let page = read(outbox, place, 10).await;
    assert_eq!((targets(&page.rows), page.intact), (vec!["later"], true));
    assert_eq!(outbox.remove(place, 1000).await, Ok(rest - 2));
    assert_eq!(outbox.remove(place, 1000).await, Ok(0));
    assert_eq!(
        targets(&rows(outbox, Place::START).await),
        ["kept", "later"]
    );
}

/// Also where other rows have come since.
pub(super) async fn a_place_that_is_gone_is_said_so(database: &dyn Database, outbox: &dyn Outbox) {
    put(database, "old").await;
    let place = end(outbox).await;
    assert!(read(outbox, place, 10).await.intact);
    database.run("DELETE FROM larder_outbox;").await;
    assert!(!read(outbox, place, 10).await.intact);
    put(database, "new").await;
    let page = read(outbox, place, 10).await;
    assert!(!page.intact);
    assert_eq!(targets(&rows(outbox, Place::START).await), ["new"]);
}
