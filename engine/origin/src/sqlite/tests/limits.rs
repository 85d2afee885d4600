use std::time::Instant;

use super::*;

#[tokio::test]
async fn a_large_row_is_an_error_and_can_be_replaced() {
    let shop = Shop::new();
    let mut config = shop.config("items");
    config.max_bytes = 100;
    let origin = SqliteOrigin::open(config).unwrap();
    let limit_bytes = 100;
    let long = json!({"name": "x".repeat(200)});
    let error = write(&origin, "a", &long).await.unwrap_err();
    assert_eq!(error, OriginError::WriteTooLarge { limit_bytes });
    assert_eq!(text(&origin, "a").await, None, "it was not committed");
    // A body that is small enough may still make the row too large.
    let name = json!({"name": "x".repeat(70)});
    write(&origin, "b", &name).await.unwrap();
    let error = write(&origin, "b", &json!({"n": -99_999}))
        .await
        .unwrap_err();
    assert_eq!(error, OriginError::WriteTooLarge { limit_bytes });
    assert!(text(&origin, "b").await.unwrap().contains("null"));
    write(&shop.origin("items"), "a", &long).await.unwrap();
    let error = origin.load(wanted("a")).await.unwrap_err();
    assert_eq!(error, OriginError::TooLarge { limit_bytes });
    let written = write(&origin, "a", &json!({"name": "short"}))
        .await
        .unwrap();
    assert_eq!(written.existed, Some(true));
}

#[tokio::test]
async fn a_value_beyond_the_limit_is_not_even_read() {
    let shop = Shop::new();
    let huge = json!({"name": "x".repeat(3 << 20)});
    write(&shop.origin("items"), "a", &huge).await.unwrap();
    let mut config = shop.config("items");
    config.max_bytes = 2 << 20;
    let origin = SqliteOrigin::open(config).unwrap();
    let error = origin.load(wanted("a")).await.unwrap_err();
    assert_eq!(
        error,
        OriginError::TooLarge {
            limit_bytes: 2 << 20
        }
    );
}

#[tokio::test]
async fn a_locked_database_times_writes_out_and_leaves_reads_alone() {
    let shop = Shop::new();
    let mut config = shop.config("products");
    config.timeout = Duration::from_millis(200);
    let origin = SqliteOrigin::open(config).unwrap();
    let other = Connection::open(&shop.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    let error = write(&origin, "42", &json!({"name": "x"}))
        .await
        .unwrap_err();
    assert_eq!(error, OriginError::Timeout { limit_ms: 200 });
    let error = origin.delete(wanted("42")).await.unwrap_err();
    assert_eq!(error.as_str(), "timeout");
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(text(&origin, "42").await.unwrap().contains("Tea"));
    other.execute_batch("ROLLBACK").unwrap();
    write(&origin, "42", &json!({"name": "y"})).await.unwrap();
    assert!(text(&origin, "42").await.unwrap().contains("\"y\""));
}

#[tokio::test]
async fn a_long_statement_is_interrupted_and_its_worker_goes_on() {
    let shop = Shop::new();
    let db = Connection::open(&shop.path).unwrap();
    db.execute_batch(
        "CREATE VIEW endless AS WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n)
         SELECT id, 'x' AS name FROM n",
    )
    .unwrap();
    let mut config = shop.config("endless");
    config.timeout = Duration::from_millis(100);
    let origin = SqliteOrigin::open(config).unwrap();
    for _ in 0..2 * READERS {
        let error = origin.load(wanted("nothing")).await.unwrap_err();
        assert_eq!(error, OriginError::Timeout { limit_ms: 100 });
    }
}

#[tokio::test]
async fn dropped_calls_leave_nothing_stuck() {
    let shop = Shop::new();
    let origin = shop.origin("items");
    let other = Connection::open(&shop.path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let value = Value::json(r#"{"name":"dropped"}"#);
    for n in 0..600 {
        let id = n.to_string();
        let call = origin.write(wanted(&id), &value);
        // One look is enough to queue it; then it is dropped.
        assert!(futures_util::FutureExt::now_or_never(call).is_none());
    }
    other.execute_batch("ROLLBACK").unwrap();
    write(&origin, "last", &json!({"name": "kept"}))
        .await
        .unwrap();
    assert!(text(&origin, "last").await.unwrap().contains("kept"));
    assert_eq!(
        text(&origin, "300").await,
        None,
        "nobody waited for it any more"
    );
}

#[tokio::test]
async fn a_row_that_cannot_be_answered_is_broken_and_can_be_replaced() {
    let shop = Shop::new();
    let origin = shop.origin("products");
    let db = Connection::open(&shop.path).unwrap();
    for (set, why) in [
        ("price = 9e999", "infinite"),
        ("name = CAST(x'ff' AS TEXT)", "UTF-8"),
    ] {
        db.execute(&format!("UPDATE products SET {set} WHERE id = 42"), [])
            .unwrap();
        let error = origin.load(wanted("42")).await.unwrap_err();
        assert_eq!(error.as_str(), "broken");
        assert!(error.to_string().contains(why), "{error}");
        let written = write(&origin, "42", &json!({"name": "Tea", "price": 1.5})).await;
        assert_eq!(written.unwrap().existed, Some(true));
    }
}
