use std::path::PathBuf;

use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::*;
use crate::outbox::contract::Database;

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

#[tokio::test]
async fn the_trigger_of_the_guide_names_what_changed() {
    let file = File::new("CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT)");
    file.execute(TABLE);
    file.execute(TRIGGER);
    file.execute(
        "INSERT INTO products VALUES (1, 'a');
         UPDATE products SET name = 'b' WHERE id = 1;
         UPDATE products SET id = 2 WHERE id = 1;
         DELETE FROM products WHERE id = 2;",
    );
    let expected = ["1", "1", "1", "2", "2"].map(|id| format!("product:{id}"));
    assert_eq!(targets(&file.open()).await, expected);
}
