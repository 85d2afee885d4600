//! A shop in a SQLite file, changed behind Larder's back where a test asks for it.

use std::path::PathBuf;
use std::sync::Arc;

use larder::origin::{Origin, SqliteConfig, SqliteOrigin};
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) struct Shop {
    pub(crate) path: PathBuf,
    _dir: TempDir,
}

impl Shop {
    /// Products 1 to 50, each at the price of its id.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("shop.db");
        let shop = Self { path, _dir: dir };
        let db = shop.db();
        db.execute_batch(
            "CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER);",
        )
        .unwrap();
        for id in 1..=50 {
            db.execute(
                "INSERT INTO products VALUES (?1, 'product ' || ?1, ?1)",
                [id],
            )
            .unwrap();
        }
        shop
    }

    pub(crate) fn origin(&self) -> Arc<dyn Origin> {
        let config = SqliteConfig::new(&self.path, "products", "id");
        Arc::new(SqliteOrigin::open(config).unwrap())
    }

    /// Sets a price without telling Larder.
    pub(crate) fn set_price(&self, id: u32, price: u32) {
        let sql = "UPDATE products SET price = ?2 WHERE id = ?1";
        assert_eq!(self.db().execute(sql, [id, price]), Ok(1));
    }

    pub(crate) fn price(&self, id: u32) -> u32 {
        let sql = "SELECT price FROM products WHERE id = ?1";
        self.db().query_row(sql, [id], |row| row.get(0)).unwrap()
    }

    fn db(&self) -> Connection {
        Connection::open(&self.path).unwrap()
    }
}
