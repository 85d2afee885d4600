//! A table that others change while it is served.

use super::*;

async fn refusal(origin: &SqliteOrigin, id: &str) -> String {
    let error = origin.load(wanted(id)).await.unwrap_err();
    assert_eq!(error.as_str(), "schema", "{error}");
    error.to_string()
}

#[tokio::test]
async fn a_renamed_column_is_shown_by_its_new_name_and_never_as_a_text() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    assert!(text(&origin, "42").await.unwrap().contains("\"price\":3.5"));
    shop.run("ALTER TABLE products RENAME COLUMN price TO cost");
    let row = text(&origin, "42").await.unwrap();
    assert!(
        row.contains("\"cost\":3.5") && !row.contains("price"),
        "{row}"
    );
    let error = write(&origin, "42", &json!({"price": 9}))
        .await
        .unwrap_err();
    assert_eq!(error.as_str(), "rejected");
    assert!(
        error
            .to_string()
            .contains("no column `price`; the table has: id, name, cost")
    );
    write(&origin, "42", &json!({"cost": 9})).await.unwrap();
    assert_eq!(
        shop.ask("SELECT cost FROM products WHERE id = 42"),
        Some("9.0".into())
    );
}

#[tokio::test]
async fn a_renamed_key_is_an_error_that_names_it_and_no_absence() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    assert_eq!(origin.trouble(), None);
    shop.run("ALTER TABLE products RENAME COLUMN id TO number");
    for id in ["42", "nothing"] {
        assert!(
            refusal(&origin, id)
                .await
                .contains("no column `id` in table `products`")
        );
    }
    assert!(origin.trouble().unwrap().contains("no column `id`"));
    let error = write(&origin, "42", &json!({"name": "x"}))
        .await
        .unwrap_err();
    assert_eq!(error.as_str(), "schema");
    let error = origin.delete(wanted("42")).await.unwrap_err();
    assert_eq!(error.as_str(), "schema", "and not a delete of nothing");
    let value = Value::json(r#"{"name":"x"}"#);
    for answer in origin
        .apply(&[queued("42", Some(&value), 1), queued("7", None, 1)])
        .await
    {
        let error = answer.unwrap_err();
        assert!(
            error.as_str() == "schema" && !error.is_permanent(),
            "what is queued waits"
        );
    }
    shop.run("ALTER TABLE products RENAME COLUMN number TO id");
    assert!(text(&origin, "42").await.is_some());
    assert_eq!(origin.trouble(), None);
}

#[tokio::test]
async fn no_deleted_row_comes_back_where_its_mark_is_renamed_dropped_or_retyped() {
    for change in [
        "ALTER TABLE kept RENAME COLUMN gone TO hidden",
        "ALTER TABLE kept DROP COLUMN gone",
        "CREATE TABLE new (id TEXT PRIMARY KEY, v INTEGER, name TEXT, s BIGINT NOT NULL, n INTEGER,
             gone TEXT);
         INSERT INTO new SELECT * FROM kept; DROP TABLE kept; ALTER TABLE new RENAME TO kept",
    ] {
        let shop = Shop::new();
        let keeps = Keeps {
            version: true,
            sequence: true,
            deleted: true,
        };
        let origin = SqliteOrigin::open(shop.keeping("kept", keeps)).unwrap();
        write(&origin, "a", &json!({"name": "secret"}))
            .await
            .unwrap();
        origin.delete(wanted("a")).await.unwrap();
        assert_eq!(text(&origin, "a").await, None);
        shop.run(change);
        assert!(refusal(&origin, "a").await.contains("`gone`"), "{change}");
    }
}

#[tokio::test]
async fn kept_columns_that_went_or_changed_are_named() {
    for (change, name) in [
        ("ALTER TABLE kept RENAME COLUMN v TO v2", "`v`"),
        ("ALTER TABLE kept RENAME COLUMN s TO s2", "`s`"),
        ("ALTER TABLE kept DROP COLUMN v", "`v`"),
        ("DROP TABLE kept", "no table `kept`"),
        ("ALTER TABLE kept RENAME TO held", "no table `kept`"),
    ] {
        let shop = Shop::new();
        let keeps = Keeps {
            version: true,
            sequence: true,
            deleted: true,
        };
        let origin = SqliteOrigin::open(shop.keeping("kept", keeps)).unwrap();
        assert_eq!(text(&origin, "a").await, None);
        shop.run(change);
        assert!(refusal(&origin, "a").await.contains(name), "{change}");
        assert!(
            write(&origin, "a", &json!({"n": 1})).await.is_err(),
            "{change}"
        );
    }
}

#[tokio::test]
async fn added_dropped_and_retyped_columns_are_seen_at_once() {
    let shop = Shop::new();
    let origin = shop.origin("items");
    write(&origin, "a", &json!({"name": "x", "n": 1}))
        .await
        .unwrap();
    for (change, row) in [
        ("ALTER TABLE items ADD COLUMN colour TEXT DEFAULT 'red'",
         r#"{"id":"a","name":"x","n":1,"colour":"red"}"#),
        ("ALTER TABLE items DROP COLUMN name", r#"{"id":"a","n":1,"colour":"red"}"#),
        ("DROP TABLE items; CREATE TABLE items (id TEXT PRIMARY KEY, n BOOLEAN);
          INSERT INTO items VALUES ('a', 1)", r#"{"id":"a","n":true}"#),
        ("CREATE TABLE other (n BLOB, id TEXT PRIMARY KEY); INSERT INTO other VALUES (x'00', 'a');
          ALTER TABLE items RENAME TO old; ALTER TABLE other RENAME TO items",
         r#"{"n":"AA==","id":"a"}"#),
    ] {
        shop.run(change);
        assert_eq!(text(&origin, "a").await.as_deref(), Some(row), "{change}");
        let written = write(&origin, "a", &json!({})).await.unwrap();
        assert_eq!(written.value, Some(Value::json(row.to_owned())), "{change}");
    }
}

#[tokio::test]
async fn a_view_that_is_made_anew_is_read_as_it_is_now() {
    let shop = Shop::new();
    shop.run("CREATE VIEW shown AS SELECT id, name FROM products");
    let origin = shop.origin("shown");
    assert_eq!(
        text(&origin, "7").await.as_deref(),
        Some(r#"{"id":7,"name":"Jam"}"#)
    );
    shop.run("DROP VIEW shown; CREATE VIEW shown AS SELECT id, upper(name) AS title FROM products");
    assert_eq!(
        text(&origin, "7").await.as_deref(),
        Some(r#"{"id":7,"title":"JAM"}"#)
    );
    shop.run("ALTER TABLE products RENAME COLUMN id TO number");
    let error = origin.load(wanted("7")).await;
    assert!(error.is_ok() || error.unwrap_err().as_str() != "rejected");
}

#[tokio::test]
async fn trouble_is_found_and_is_over_while_nobody_calls() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    let becomes = async |is_trouble: bool| {
        let begun = std::time::Instant::now();
        while origin.trouble().is_some() != is_trouble {
            assert!(begun.elapsed() < 20 * LOOK, "it is looked at each {LOOK:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    becomes(false).await;
    shop.run("ALTER TABLE products RENAME TO goods");
    becomes(true).await;
    assert!(origin.trouble().unwrap().contains("no table `products`"));
    shop.run("ALTER TABLE goods RENAME TO products");
    becomes(false).await;
}
