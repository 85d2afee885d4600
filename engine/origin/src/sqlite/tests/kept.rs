use super::*;

const ALL: Keeps = Keeps {
    version: true,
    sequence: true,
    deleted: true,
};

async fn apply(origin: &SqliteOrigin, change: Change<'_>) -> Result<Written, OriginError> {
    origin.apply(&[change]).await.pop().unwrap()
}

#[tokio::test]
async fn columns_kept_for_larder_are_no_part_of_the_value() {
    let shop = Shop::new();
    let origin = SqliteOrigin::open(shop.keeping("kept", ALL)).unwrap();
    write(&origin, "a", &json!({"n": 1})).await.unwrap();
    let row = r#"{"id":"a","name":null,"n":1}"#;
    assert_eq!(text(&origin, "a").await.unwrap(), row);
    let error = write(&origin, "a", &json!({"s": 1})).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no column `s`; the table has: id, name, n"),
        "{error}"
    );
    assert_eq!(
        shop.ask("SELECT v || ' ' || s || ' ' || gone FROM kept"),
        Some("1 0 0".into())
    );
}

#[tokio::test]
async fn a_revived_row_is_as_a_new_one() {
    let shop = Shop::new();
    shop.run(
        r#"CREATE TABLE carts (slot INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, items TEXT DEFAULT 'none',
             note TEXT, made INT DEFAULT (1 + 1), word TEXT DEFAULT bare, up TEXT AS (upper(note)),
             s INTEGER, gone BOOLEAN)"#,
    );
    let origin = SqliteOrigin::open(shop.keeping(
        "carts",
        Keeps {
            version: false,
            ..ALL
        },
    ))
    .unwrap();
    let full = json!({"items": "two", "note": "old", "made": 9, "word": "x"});
    write(&origin, "a", &full).await.unwrap();
    origin.delete(wanted("a")).await.unwrap();
    assert_eq!(shop.ask("SELECT note FROM carts"), Some("old".into()));
    let written = write(&origin, "a", &json!({"items": "one"})).await.unwrap();
    assert_eq!(written.existed, Some(false));
    let row = r#"{"slot":1,"id":"a","items":"one","note":null,"made":2,"word":"bare","up":null}"#;
    assert_eq!(written.value, Some(Value::json(row)));
    let written = write(&origin, "a", &json!({"note": "new"})).await.unwrap();
    assert_eq!(
        written.value,
        Some(Value::json(
            row.replace(r#""note":null"#, r#""note":"new""#)
                .replace(r#""up":null"#, r#""up":"NEW""#)
        )),
        "a live row keeps what the write does not name"
    );
}

#[tokio::test]
async fn a_row_that_needs_more_than_its_key_is_revived_or_marked_by_whole_writes_only() {
    let shop = Shop::new();
    shop.run(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, item TEXT NOT NULL, note TEXT, s INTEGER,
             gone BOOLEAN)",
    );
    let origin = SqliteOrigin::open(shop.keeping(
        "orders",
        Keeps {
            version: false,
            ..ALL
        },
    ))
    .unwrap();
    let gone = apply(&origin, queued("7", None, 20)).await.unwrap();
    assert_eq!(gone.existed, Some(false), "there is nothing to delete");
    for id in ["x", "07"] {
        apply(&origin, queued(id, None, 20)).await.unwrap();
    }
    assert_eq!(shop.ask("SELECT count(*) FROM orders"), Some("0".into()));
    let whole = Value::json(r#"{"item":"tea","note":"x"}"#);
    let part = Value::json(r#"{"note":"y"}"#);
    apply(&origin, queued("7", Some(&whole), 30)).await.unwrap();
    apply(&origin, queued("7", None, 40)).await.unwrap();
    let error = apply(&origin, queued("7", Some(&part), 50)).await;
    assert!(error.unwrap_err().to_string().contains("orders.item"));
    assert_eq!(text(&origin, "7").await, None);
    apply(&origin, queued("7", Some(&whole), 60)).await.unwrap();
    assert!(text(&origin, "7").await.unwrap().contains("tea"));
}

#[test]
fn a_column_that_cannot_keep_what_it_should_is_named() {
    let shop = Shop::new();
    shop.run(
        "CREATE TABLE odd (id TEXT PRIMARY KEY, t TEXT, r REAL, u, n INTEGER,
             g INTEGER AS (n + 1), b BOOLEAN)",
    );
    let refused = |change: &dyn Fn(&mut SqliteConfig)| {
        let mut config = shop.config("odd");
        change(&mut config);
        SqliteOrigin::open(config).err().map(|e| e.to_string())
    };
    for (field, column, says) in [
        ("version", "x", Some("no column `x` in table `odd`")),
        (
            "version",
            "t",
            Some("column `t` of type TEXT; it must be INTEGER"),
        ),
        ("sequence", "r", Some("column `r` of type REAL")),
        ("sequence", "u", Some("column `u` without a type")),
        ("sequence", "b", Some("column `b` of type BOOLEAN")),
        ("deleted", "t", Some("must be BOOLEAN or INTEGER")),
        ("version", "g", Some("generated")),
        ("sequence", "ID", Some("which another setting names too")),
        ("version", "N", None),
        ("deleted", "b", None),
        ("deleted", "n", None),
    ] {
        let error = refused(&|config| {
            let setting = match field {
                "version" => &mut config.version,
                "sequence" => &mut config.sequence,
                _ => &mut config.deleted,
            };
            *setting = Some(column.into());
        });
        match (says, error) {
            (Some(says), Some(error)) => {
                assert!(error.contains(says), "{field} = {column}: {error}");
                assert!(
                    error.contains(&format!("`{field}`")) || column == "x",
                    "{error}"
                );
            }
            (says, error) => assert_eq!((says, error), (None, None), "{field} = {column}"),
        }
    }
    let twice = refused(&|config| {
        config.version = Some("n".into());
        config.sequence = Some("n".into());
    });
    assert!(
        twice
            .unwrap()
            .contains("`sequence` names column `n`, which another")
    );
}
