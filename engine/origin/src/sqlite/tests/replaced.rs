//! A file in whose place another one comes.

use super::*;

fn table_of(path: &std::path::Path, name: &str, wal: bool) {
    let db = Connection::open(path).unwrap();
    if wal {
        db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .unwrap();
    }
    db.execute_batch("CREATE TABLE items (id TEXT PRIMARY KEY, name TEXT)")
        .unwrap();
    db.execute("INSERT INTO items VALUES ('a', ?1)", [name])
        .unwrap();
}

fn name_in(path: &std::path::Path, id: &str) -> Option<String> {
    let db = Connection::open(path).unwrap();
    let name = db.query_row("SELECT name FROM items WHERE id = ?1", [id], |row| {
        row.get(0)
    });
    name.ok()
}

#[tokio::test]
async fn the_file_that_is_at_the_path_is_read_and_written() {
    for (old_wal, new_wal) in [(false, false), (true, false), (false, true), (true, true)] {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        table_of(&at("shop.db"), "old", old_wal);
        let origin = SqliteOrigin::open(SqliteConfig::new(at("shop.db"), "items", "id")).unwrap();
        let outside = SqliteOrigin::open(SqliteConfig::new(at("shop.db"), "items", "id")).unwrap();
        assert!(text(&outside, "a").await.unwrap().contains("old"));
        write(&origin, "b", &json!({"name": "before"}))
            .await
            .unwrap();
        table_of(&at("new.db"), "new", new_wal);
        std::fs::hard_link(at("shop.db"), at("kept.db")).unwrap();
        std::fs::rename(at("new.db"), at("shop.db")).unwrap();

        let when = format!("WAL before {old_wal}, after {new_wal}");
        assert!(text(&origin, "a").await.unwrap().contains("new"), "{when}");
        assert_eq!(
            text(&origin, "b").await,
            None,
            "{when}: nothing of the old one is mixed in"
        );
        write(&origin, "c", &json!({"name": "after"}))
            .await
            .unwrap();
        assert!(
            text(&outside, "c").await.unwrap().contains("after"),
            "{when}"
        );
        assert_eq!(
            name_in(&at("shop.db"), "c").as_deref(),
            Some("after"),
            "{when}"
        );
        assert_eq!(
            name_in(&at("kept.db"), "b").as_deref(),
            Some("before"),
            "{when}"
        );
        assert_eq!(name_in(&at("kept.db"), "c"), None, "{when}");
        let whole: String = Connection::open(at("shop.db"))
            .unwrap()
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .unwrap();
        assert_eq!(whole, "ok", "{when}");
    }
}

#[tokio::test]
async fn a_write_comes_first_after_the_change_and_is_in_the_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    table_of(&at("shop.db"), "old", true);
    let origin = SqliteOrigin::open(SqliteConfig::new(at("shop.db"), "items", "id")).unwrap();
    write(&origin, "b", &json!({"name": "before"}))
        .await
        .unwrap();
    table_of(&at("new.db"), "new", false);
    std::fs::rename(at("new.db"), at("shop.db")).unwrap();
    let value = Value::json(r#"{"name":"queued"}"#);
    let answers = origin.apply(&[queued("q", Some(&value), 1)]).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(name_in(&at("shop.db"), "q").as_deref(), Some("queued"));
}

#[tokio::test]
async fn a_link_that_is_switched_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    table_of(&at("one.db"), "one", false);
    table_of(&at("two.db"), "two", false);
    std::os::unix::fs::symlink(at("one.db"), at("shop.db")).unwrap();
    let origin = SqliteOrigin::open(SqliteConfig::new(at("shop.db"), "items", "id")).unwrap();
    assert!(text(&origin, "a").await.unwrap().contains("one"));
    std::os::unix::fs::symlink(at("two.db"), at("next")).unwrap();
    std::fs::rename(at("next"), at("shop.db")).unwrap();
    assert!(text(&origin, "a").await.unwrap().contains("two"));
    write(&origin, "a", &json!({"name": "written"}))
        .await
        .unwrap();
    assert_eq!(name_in(&at("two.db"), "a").as_deref(), Some("written"));
    assert_eq!(name_in(&at("one.db"), "a").as_deref(), Some("one"));
}

#[tokio::test]
async fn a_file_that_is_gone_fails_every_call_until_there_is_one_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("shop.db");
    table_of(&path, "old", true);
    let origin = SqliteOrigin::open(SqliteConfig::new(&path, "items", "id")).unwrap();
    write(&origin, "b", &json!({"name": "before"}))
        .await
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    let error = origin.load(wanted("a")).await.unwrap_err();
    assert_eq!(error.as_str(), "unreachable", "{error}");
    let error = write(&origin, "a", &json!({"name": "x"}))
        .await
        .unwrap_err();
    assert_eq!(
        error.as_str(),
        "unreachable",
        "nothing was written: {error}"
    );
    assert!(origin.trouble().unwrap().contains("there is no file"));
    assert!(!path.exists(), "none is created");
    std::fs::write(
        &path,
        "no database at all, but long enough to be one".repeat(20),
    )
    .unwrap();
    let error = origin.load(wanted("a")).await.unwrap_err();
    assert_eq!(error.class(), crate::Class::Failed, "{error}");
    std::fs::remove_file(&path).unwrap();
    table_of(&path, "new", false);
    assert!(text(&origin, "a").await.unwrap().contains("new"));
    assert_eq!(text(&origin, "b").await, None);
    assert_eq!(origin.trouble(), None);
}

#[tokio::test]
async fn a_new_file_without_the_table_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    table_of(&at("shop.db"), "old", false);
    let origin = SqliteOrigin::open(SqliteConfig::new(at("shop.db"), "items", "id")).unwrap();
    assert!(text(&origin, "a").await.is_some());
    Connection::open(at("new.db"))
        .unwrap()
        .execute_batch("CREATE TABLE others (id TEXT PRIMARY KEY)")
        .unwrap();
    std::fs::rename(at("new.db"), at("shop.db")).unwrap();
    let error = origin.load(wanted("a")).await.unwrap_err();
    assert_eq!(error.as_str(), "schema");
    assert!(error.to_string().contains("no table `items`"), "{error}");
    assert!(origin.trouble().unwrap().contains("it has: others"));
}

#[tokio::test]
async fn a_restore_in_place_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    table_of(&at("shop.db"), "old", false);
    let origin = SqliteOrigin::open(SqliteConfig::new(at("shop.db"), "items", "id")).unwrap();
    write(&origin, "b", &json!({"name": "before"}))
        .await
        .unwrap();
    Connection::open(at("backup.db"))
        .unwrap()
        .execute_batch(
            "CREATE TABLE items (title TEXT, id TEXT PRIMARY KEY);
             INSERT INTO items VALUES ('restored', 'a')",
        )
        .unwrap();
    std::fs::copy(at("backup.db"), at("shop.db")).unwrap();
    let row = text(&origin, "a").await;
    assert_eq!(row.as_deref(), Some(r#"{"title":"restored","id":"a"}"#));
    assert_eq!(text(&origin, "b").await, None);
}

/// Another file with the same counters, since it was made in the same way.
fn made(path: &std::path::Path, columns: &str, row: &str) {
    let _ = std::fs::remove_file(path);
    let db = Connection::open(path).unwrap();
    db.execute_batch(&format!(
        "CREATE TABLE items ({columns}); INSERT INTO items VALUES {row}"
    ))
    .unwrap();
}

#[tokio::test]
async fn a_file_that_another_is_copied_over_is_read_as_it_is_now() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (named, priced) = (
        "id TEXT PRIMARY KEY, name TEXT, price REAL",
        "id TEXT PRIMARY KEY, price REAL, name TEXT",
    );
    made(&at("shop.db"), named, "('a', 'old', 1.5)");
    let origin = SqliteOrigin::open(SqliteConfig::new(at("shop.db"), "items", "id")).unwrap();
    let both = async || {
        let reads = (0..8).map(|_| text(&origin, "a"));
        let rows = futures_util::future::join_all(reads).await;
        assert!(rows.iter().all(|row| row == &rows[0]), "{rows:?}");
        rows[0].clone().unwrap()
    };
    assert_eq!(both().await, r#"{"id":"a","name":"old","price":1.5}"#);
    for (columns, row, read) in [
        (
            named,
            "('a', 'new', 2.5)",
            r#"{"id":"a","name":"new","price":2.5}"#,
        ),
        (
            priced,
            "('a', 3.5, 'newer')",
            r#"{"id":"a","price":3.5,"name":"newer"}"#,
        ),
        (
            named,
            "('a', 'last', 4.5)",
            r#"{"id":"a","name":"last","price":4.5}"#,
        ),
    ] {
        made(&at("new.db"), columns, row);
        std::fs::copy(at("new.db"), at("shop.db")).unwrap();
        assert_eq!(both().await, read);
        write(&origin, "b", &json!({"name": "b", "price": 9.5}))
            .await
            .unwrap();
        assert_eq!(name_in(&at("shop.db"), "b").as_deref(), Some("b"), "{read}");
        let check = Connection::open(at("shop.db")).unwrap();
        let check = check.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
        assert_eq!(check.unwrap(), "ok", "{read}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_any_more_is_known_without_a_call() {
    for in_place in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        table_of(&at("shop.db"), "good", false);
        std::fs::copy(at("shop.db"), at("good.db")).unwrap();
        let origin = SqliteOrigin::open(SqliteConfig::new(at("shop.db"), "items", "id")).unwrap();
        let becomes = async |is_trouble: bool| {
            let begun = std::time::Instant::now();
            while origin.trouble().is_some() != is_trouble {
                assert!(
                    begun.elapsed() < 4 * LOOK,
                    "in place {in_place}: {is_trouble}"
                );
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let put = |bytes: &[u8]| {
            let path = at(if in_place { "shop.db" } else { "next.db" });
            std::fs::write(&path, bytes).unwrap();
            if !in_place {
                std::fs::rename(path, at("shop.db")).unwrap();
            }
        };
        put(&[b'x'; 8192]);
        becomes(true).await;
        let error = origin.load(wanted("a")).await.unwrap_err();
        assert_eq!(error.as_str(), "broken", "{error}");
        assert!(origin.trouble().unwrap().contains("not a database"));
        put(&std::fs::read(at("good.db")).unwrap());
        becomes(false).await;
        assert!(text(&origin, "a").await.unwrap().contains("good"));
    }
}
