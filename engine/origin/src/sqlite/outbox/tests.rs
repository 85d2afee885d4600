use std::path::PathBuf;

use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::*;
use crate::outbox::contract::{Database, ODD_IDS};

const TRIGGER: &str = include_str!("../trigger.sql");

pub(super) struct File {
    path: PathBuf,
    _dir: TempDir,
}

impl File {
    pub(super) fn new(sql: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.db");
        let file = Self { path, _dir: dir };
        file.execute(sql);
        file
    }

    fn execute(&self, sql: &str) {
        let db = Connection::open(&self.path).unwrap();
        db.execute_batch(sql).unwrap();
    }

    fn config(&self) -> SqliteConfig {
        SqliteConfig::new(&self.path, "products", "id")
    }

    pub(super) fn open(&self) -> SqliteOutbox {
        SqliteOutbox::open(&self.config(), crate::outbox::TABLE).unwrap()
    }

    fn refused(&self, table: &str) -> String {
        let opened = SqliteOutbox::open(&self.config(), table);
        opened.err().unwrap().to_string()
    }
}

impl Database for File {
    fn run<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, ()> {
        self.execute(sql);
        Box::pin(std::future::ready(()))
    }
}

async fn targets(outbox: &SqliteOutbox) -> Vec<String> {
    let page = outbox.read(Place::START, 100).await.unwrap();
    page.rows.into_iter().map(|row| row.target).collect()
}

#[tokio::test]
async fn what_the_table_lacks_is_named_with_the_sql_that_adds_it() {
    let file = File::new("");
    for table in [crate::outbox::TABLE, "odd \"name"] {
        let error = file.refused(table);
        let (words, sql) = error.split_once("create it by\n").unwrap();
        assert!(words.contains(table) && words.contains("is not there"));
        file.execute(sql);
        let outbox = SqliteOutbox::open(&file.config(), table).unwrap();
        outbox.read(Place::START, 1).await.unwrap();
    }
    file.execute("CREATE TABLE narrow (id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT)");
    assert!(file.refused("narrow").contains("has no column `kind`"));
    file.execute(
        &TABLE
            .replace("larder_outbox", "reused")
            .replace("AUTOINCREMENT", ""),
    );
    assert!(file.refused("reused").contains("without AUTOINCREMENT"));
}

#[tokio::test]
async fn a_text_that_is_none_keeps_no_other_row_back() {
    let file = File::new(TABLE);
    file.execute(
        "INSERT INTO larder_outbox (kind, target) VALUES ('tag', x'ff61'), (7, 42), ('tag', 'b')",
    );
    assert_eq!(targets(&file.open()).await, ["\u{fffd}a", "42", "b"]);
}

#[tokio::test]
async fn a_row_beyond_the_limit_of_values_keeps_no_other_back() {
    let file = File::new(TABLE);
    file.execute(
        "INSERT INTO larder_outbox (kind, target)
         VALUES ('tag', printf('%.9000000c', 'x')), ('tag', 'b')",
    );
    let targets = targets(&file.open()).await;
    assert_eq!((targets[0].len(), &*targets[1]), (TEXT_MAX + 1, "b"));
}

/// The ids of rows of `product`, as the outbox names them.
async fn changed(outbox: &SqliteOutbox, after: Place) -> Vec<String> {
    let page = outbox.read(after, 100).await.unwrap();
    let of_product = |row: &Row| row.kind == "row" && row.resource == "product";
    assert!(page.rows.iter().all(of_product), "{page:?}");
    page.rows.into_iter().map(|row| row.row_id).collect()
}

async fn end(outbox: &SqliteOutbox) -> Place {
    let page = outbox.read(Place::START, 1000).await.unwrap();
    page.rows.last().map_or(Place::START, |row| row.place)
}

fn with_triggers(key: &str) -> File {
    let file = File::new(&format!("CREATE TABLE products (id {key}, name TEXT)"));
    file.execute(TABLE);
    file.execute(TRIGGER);
    file
}

#[tokio::test]
async fn the_trigger_of_the_guide_names_what_changed() {
    let file = with_triggers("INTEGER PRIMARY KEY");
    file.execute(
        "INSERT INTO products VALUES (1, 'a');
         UPDATE products SET name = 'b' WHERE id = 1;
         UPDATE products SET id = 2 WHERE id = 1;
         DELETE FROM products WHERE id = 2;",
    );
    let outbox = file.open();
    assert_eq!(
        changed(&outbox, Place::START).await,
        ["1", "1", "1", "2", "2"]
    );
    file.execute("INSERT INTO products VALUES (7, 'a'), (8, 'b')");
    let place = end(&outbox).await;
    file.execute("DELETE FROM products");
    assert_eq!(changed(&outbox, place).await, ["7", "8"]);
}

#[tokio::test]
async fn the_trigger_of_the_guide_names_ids_of_any_characters() {
    let file = with_triggers("TEXT PRIMARY KEY");
    let outbox = file.open();
    for id in ODD_IDS {
        let db = Connection::open(&file.path).unwrap();
        let place = end(&outbox).await;
        db.execute("INSERT INTO products VALUES (?1, 'a')", [id])
            .unwrap();
        db.execute("UPDATE products SET id = id || '!' WHERE id = ?1", [id])
            .unwrap();
        db.execute("DELETE FROM products", []).unwrap();
        let mut all = changed(&outbox, place).await;
        // Both ids of the update come in either order.
        all[1..3].sort();
        let other = format!("{id}!");
        assert_eq!(all, [id, id, &other, &other]);
    }
}

#[tokio::test]
async fn ids_that_a_collation_takes_for_one_are_two() {
    let file = with_triggers("TEXT COLLATE NOCASE PRIMARY KEY");
    let outbox = file.open();
    file.execute("INSERT INTO products VALUES ('abc', 'a')");
    let place = end(&outbox).await;
    file.execute("UPDATE products SET id = 'ABC'");
    assert_eq!(changed(&outbox, place).await, ["ABC", "abc"]);
}

#[tokio::test]
async fn a_row_without_an_id_is_no_reason_to_refuse_a_write() {
    let file = with_triggers("TEXT PRIMARY KEY");
    let outbox = file.open();
    file.execute(
        "INSERT INTO products VALUES (NULL, 'a');
         UPDATE products SET id = 'x';
         UPDATE products SET id = NULL;
         DELETE FROM products;",
    );
    assert_eq!(changed(&outbox, Place::START).await, ["x", "x"]);
}

#[tokio::test]
async fn a_table_of_a_build_before_is_read() {
    let file = File::new(include_str!("../../outbox/before/sqlite.sql"));
    file.execute(
        "INSERT INTO larder_outbox (kind, tenant, target) VALUES ('tag', 'acme', 'product:42')",
    );
    let rows = file.open().read(Place::START, 10).await.unwrap().rows;
    let expected = Row {
        place: rows[0].place,
        kind: "tag".into(),
        tenant: "acme".into(),
        target: "product:42".into(),
        mode: "purge".into(),
        ..Row::default()
    };
    assert_eq!(rows, [expected]);
}

#[tokio::test]
async fn columns_that_a_table_gets_while_it_is_read_are_seen() {
    let file = File::new(include_str!("../../outbox/before/sqlite.sql"));
    let outbox = file.open();
    assert_eq!(outbox.read(Place::START, 10).await.unwrap().rows, []);
    file.execute(&format!("DROP TABLE larder_outbox; {TABLE}"));
    file.execute("INSERT INTO larder_outbox (resource, row_id) VALUES ('product', '50%')");
    assert_eq!(changed(&outbox, Place::START).await, ["50%"]);
}
