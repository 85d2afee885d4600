use super::*;

const TABLES: &str = "
    CREATE TABLE logged (id TEXT PRIMARY KEY, n INTEGER); CREATE TABLE log (line TEXT);
    CREATE TRIGGER note AFTER UPDATE ON logged BEGIN INSERT INTO log VALUES ('logged:' || NEW.id); END;
    CREATE TABLE summed (id TEXT PRIMARY KEY, n INTEGER, total INTEGER);
    CREATE TRIGGER sums AFTER UPDATE OF n ON summed
        BEGIN UPDATE Summed SET total = NEW.n WHERE id = NEW.id; END;
    CREATE TABLE plain (id TEXT PRIMARY KEY, price REAL, done BOOLEAN, code TEXT);
";

/// What a client spells and what SQLite keeps of it are two things.
#[tokio::test]
async fn a_row_is_told_as_its_columns_keep_it() {
    let shop = Shop::new();
    Connection::open(&shop.path)
        .unwrap()
        .execute_batch(TABLES)
        .unwrap();
    let origin = SqliteOrigin::open(SqliteConfig::new(&shop.path, "plain", "id")).unwrap();
    let wanted = queued("r", None, 0).wanted;
    let row = Value::json(r#"{"id":"r","price":5,"done":1,"code":5}"#);
    let told = origin.whole(wanted, &row);
    let shown = Value::json(r#"{"id":"r","price":5.0,"done":true,"code":"5"}"#);
    assert_eq!(told, Some(shown));
    origin.write(wanted, &row).await.unwrap();
    assert_eq!(origin.load(wanted).await.unwrap().value, told);
}

#[tokio::test]
async fn what_triggers_make_of_a_row_is_not_told_and_what_they_log_is_no_matter() {
    let shop = Shop::new();
    Connection::open(&shop.path)
        .unwrap()
        .execute_batch(TABLES)
        .unwrap();
    for (table, computes) in [("stirred", true), ("summed", true), ("logged", false)] {
        let origin = SqliteOrigin::open(SqliteConfig::new(&shop.path, table, "id")).unwrap();
        assert_eq!(origin.computes(), computes, "{table}");
    }
}
