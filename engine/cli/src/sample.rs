//! The shop that the demo caches: a SQLite database with a few thousand products.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use rusqlite::{Connection, params};

/// How many products there are, with the ids 1 to this.
pub(crate) const PRODUCTS: u32 = 5_000;

const SCHEMA: &str = "
    CREATE TABLE products (
        id         INTEGER PRIMARY KEY,
        name       TEXT NOT NULL,
        price      REAL NOT NULL,
        stock      INTEGER NOT NULL,
        category   TEXT NOT NULL,
        updated_at TEXT NOT NULL
    )";
const INSERT: &str = "INSERT INTO products (id, name, price, stock, category, updated_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const COLOURS: [&str; 8] = [
    "Amber", "Blue", "Coral", "Green", "Ivory", "Oak", "Slate", "Violet",
];
const THINGS: [(&str, &str); 10] = [
    ("mug", "kitchen"),
    ("teapot", "kitchen"),
    ("lamp", "home"),
    ("blanket", "home"),
    ("notebook", "office"),
    ("desk mat", "office"),
    ("backpack", "travel"),
    ("bottle", "travel"),
    ("kite", "outdoor"),
    ("tent", "outdoor"),
];

/// Makes the database at `file`, which appears only once it is whole. The products are the same
/// every time.
///
/// # Errors
/// Says what SQLite or the file system refuses.
pub(crate) fn create(file: &Path) -> Result<()> {
    let failed = || format!("the sample database {} cannot be made", file.display());
    let unfinished = file.with_extension("db.unfinished");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(failed);
        }
        _ => {}
    }
    fill(&unfinished).with_context(failed)?;
    fs::rename(&unfinished, file).with_context(failed)
}

fn fill(file: &Path) -> rusqlite::Result<()> {
    let mut database = Connection::open(file)?;
    let transaction = database.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    let mut insert = transaction.prepare(INSERT)?;
    for id in 1..=PRODUCTS {
        let (name, price, stock, category, updated_at) = product(id);
        insert.execute(params![id, name, price, stock, category, updated_at])?;
    }
    drop(insert);
    transaction.commit()?;
    database.close().map_err(|(_, error)| error)
}

/// The product `id`: a fixed mixture of its bits stands in for variety.
fn product(id: u32) -> (String, f64, u32, &'static str, String) {
    let mixed = id.wrapping_mul(2_654_435_761) >> 7;
    let pick = |shift: u32, of: u32| (mixed >> shift) % of;
    let colour = COLOURS[pick(0, 8) as usize];
    let (thing, category) = THINGS[pick(3, 10) as usize];
    let cents = 300 + pick(2, 9_700);
    let updated_at = format!("2026-01-{:02}T{:02}:00:00Z", 1 + pick(5, 28), pick(9, 24));
    let name = format!("{colour} {thing} no. {id}");
    (
        name,
        f64::from(cents) / 100.0,
        pick(4, 250),
        category,
        updated_at,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_is_whole_and_the_same_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let rows = |name: &str| {
            let file = folder.path().join(name);
            create(&file).unwrap();
            let database = Connection::open(&file).unwrap();
            let mut all = database
                .prepare("SELECT id, name, price FROM products")
                .unwrap();
            let rows = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            rows.unwrap()
                .map(Result::unwrap)
                .collect::<Vec<(u32, String, f64)>>()
        };
        let first = rows("a.db");
        assert_eq!(first.len(), 5_000);
        assert_eq!(first, rows("b.db"));
        assert!(first.iter().all(|(_, _, price)| *price >= 3.0));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_an_interrupted_run_left_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shop.db.unfinished"), "half").unwrap();
        create(&folder.path().join("shop.db")).unwrap();
    }
}
