//! A table that others change while it is served.

use super::super::inspected::LOOK;
use super::*;

async fn refusal(origin: &PostgresOrigin, id: &str) -> String {
    let error = origin.load(wanted(id)).await.unwrap_err();
    assert_eq!(error.as_str(), "schema", "{error}");
    assert_eq!(error.class(), crate::Class::Failed);
    error.to_string()
}

#[tokio::test]
async fn a_dropped_or_renamed_column_is_no_reason_to_fail() {
    let shop = Shop::new().await;
    let origin = open(shop.config("products")).await;
    assert!(
        text(&origin, "42")
            .await
            .unwrap()
            .contains("\"price\":3.50")
    );
    for (change, row) in [
        (
            "ALTER TABLE products RENAME COLUMN price TO cost",
            r#"{"id":42,"name":"Tea \"best\"","cost":3.50,"sold":true}"#,
        ),
        (
            "ALTER TABLE products DROP COLUMN sold",
            r#"{"id":42,"name":"Tea \"best\"","cost":3.50}"#,
        ),
        (
            "ALTER TABLE products ALTER COLUMN cost TYPE text",
            r#"{"id":42,"name":"Tea \"best\"","cost":"3.50"}"#,
        ),
    ] {
        // What reads by a view stands in the way of some changes.
        shop.0.ask("DROP VIEW IF EXISTS cheap").await.unwrap();
        shop.0.ask(change).await.unwrap();
        assert_eq!(text(&origin, "42").await.as_deref(), Some(row), "{change}");
        let written = write(&origin, "42", row).await.unwrap();
        assert_eq!(written.value, Some(Value::json(row.to_owned())), "{change}");
    }
}

#[tokio::test]
async fn a_write_that_is_the_first_to_meet_the_change_is_made_once() {
    let shop = Shop::new().await;
    let mut config = shop.config("kept");
    config.column = Some("value".into());
    config.version = Some("v".into());
    let origin = open(config).await;
    write(&origin, "a", r#"{"n":1}"#).await.unwrap();
    shop.0
        .ask("ALTER TABLE kept ALTER COLUMN value TYPE json USING value::json")
        .await
        .unwrap();
    shop.0
        .ask("ALTER TABLE kept DROP CONSTRAINT kept_value_check")
        .await
        .ok();
    let written = write(&origin, "a", r#"{"n":2}"#).await.unwrap();
    assert_eq!(written.version, Some(2), "once, and not twice");
    let value = Value::json(r#"{"n":3}"#);
    shop.0
        .ask("ALTER TABLE kept DROP COLUMN gone")
        .await
        .unwrap();
    let answers = origin
        .apply(&[queued("a", Some(&value), 1), queued("b", Some(&value), 1)])
        .await;
    let versions: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.unwrap().version)
        .collect();
    assert_eq!(versions, [Some(3), Some(1)]);
}

#[tokio::test]
async fn a_schema_that_no_longer_fits_is_named_and_waited_for() {
    for (change, back, words) in [
        (
            "ALTER TABLE items RENAME COLUMN id TO number",
            "ALTER TABLE items RENAME COLUMN number TO id",
            "no column `id` in table `items`",
        ),
        (
            "ALTER TABLE items RENAME TO things",
            "ALTER TABLE things RENAME TO items",
            "no table `items`",
        ),
        (
            "ALTER TABLE items SET SCHEMA other",
            "ALTER TABLE other.items SET SCHEMA public",
            "no table `items`",
        ),
        (
            "DROP TABLE items",
            "CREATE TABLE items (id text PRIMARY KEY, name text, n int)",
            "no table `items`",
        ),
    ] {
        let shop = Shop::new().await;
        let origin = open(shop.config("items")).await;
        write(&origin, "a", r#"{"n":1}"#).await.unwrap();
        shop.0.ask(change).await.unwrap();
        for id in ["a", "nothing"] {
            assert!(refusal(&origin, id).await.contains(words), "{change}");
        }
        assert!(origin.trouble().unwrap().contains(words), "{change}");
        assert_eq!(
            write(&origin, "a", "{}").await.unwrap_err().as_str(),
            "schema"
        );
        assert_eq!(
            origin.delete(wanted("a")).await.unwrap_err().as_str(),
            "schema"
        );
        let value = Value::json("{}");
        for answer in origin
            .apply(&[queued("a", Some(&value), 1), queued("b", None, 1)])
            .await
        {
            assert!(!answer.unwrap_err().is_permanent(), "what is queued waits");
        }
        shop.0.ask(back).await.unwrap();
        origin.load(wanted("a")).await.unwrap();
        assert_eq!(origin.trouble(), None, "{back}");
    }
}

#[tokio::test]
async fn kept_columns_that_went_or_changed_are_named_and_no_row_is_revived() {
    for (change, words) in [
        (
            "ALTER TABLE kept RENAME COLUMN gone TO hidden",
            "no column `gone`",
        ),
        ("ALTER TABLE kept DROP COLUMN gone", "no column `gone`"),
        (
            "ALTER TABLE kept ALTER COLUMN gone TYPE text USING gone::text",
            "`gone` of type text",
        ),
        ("ALTER TABLE kept RENAME COLUMN s TO s2", "no column `s`"),
        (
            "ALTER TABLE kept ALTER COLUMN v TYPE text",
            "`v` of type text",
        ),
        (
            "ALTER TABLE kept RENAME COLUMN value TO content",
            "no column `value`",
        ),
        (
            "ALTER TABLE kept DROP CONSTRAINT kept_pkey",
            "no unique index",
        ),
    ] {
        let shop = Shop::new().await;
        let origin = open(shop.keeping(
            "kept",
            Keeps {
                version: true,
                sequence: true,
                deleted: true,
            },
        ))
        .await;
        write(&origin, "a", r#"{"n":1}"#).await.unwrap();
        origin.delete(wanted("a")).await.unwrap();
        assert_eq!(text(&origin, "a").await, None);
        shop.0.ask(change).await.unwrap();
        // A read needs no unique index, and no version; what needs it says so.
        let read = origin.load(wanted("a")).await;
        assert!(
            read.is_err() || read == Ok(Fetched::default()),
            "{change}: {read:?}"
        );
        let error = write(&origin, "a", r#"{"n":2}"#).await.unwrap_err();
        assert_eq!(error.as_str(), "schema", "{change}");
        assert!(error.to_string().contains(words), "{change}: {error}");
        assert!(refusal(&origin, "a").await.contains(words), "{change}");
    }
}

#[tokio::test]
async fn an_added_column_is_shown_within_the_stated_time_and_written_at_once() {
    let shop = Shop::new().await;
    let origin = open(shop.config("items")).await;
    write(&origin, "a", r#"{"n":1}"#).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    shop.0
        .ask("ALTER TABLE items ADD COLUMN colour text DEFAULT 'red'")
        .await
        .unwrap();
    write(&origin, "b", r#"{"colour":"blue"}"#).await.unwrap();
    let row = r#"{"id":"a","name":null,"n":1,"colour":"red"}"#;
    assert_eq!(text(&origin, "a").await.as_deref(), Some(row));

    shop.0
        .ask("ALTER TABLE items ADD COLUMN size int")
        .await
        .unwrap();
    let begun = std::time::Instant::now();
    while !text(&origin, "a").await.unwrap().contains("size") {
        assert!(begun.elapsed() < 2 * LOOK, "it is looked at each {LOOK:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn statements_that_the_server_forgot_are_prepared_again_unnoticed() {
    let shop = Shop::new().await;
    let mut config = shop.config("items");
    config.connections = 1;
    let origin = open(config).await;
    for forget in ["DEALLOCATE ALL", "DISCARD ALL", "DISCARD PLANS"] {
        write(&origin, "a", r#"{"n":1}"#).await.unwrap();
        assert!(text(&origin, "a").await.is_some());
        let session = origin.sessions.connect().await.unwrap();
        session
            .client()
            .unwrap()
            .batch_execute(forget)
            .await
            .unwrap();
        session.keep();
        assert!(text(&origin, "a").await.is_some(), "{forget}");
        let session = origin.sessions.connect().await.unwrap();
        session
            .client()
            .unwrap()
            .batch_execute(forget)
            .await
            .unwrap();
        session.keep();
        write(&origin, "a", r#"{"n":2}"#).await.unwrap();
        let value = Value::json(r#"{"n":3}"#);
        assert!(
            origin
                .apply(&[queued("a", Some(&value), 1)])
                .await
                .remove(0)
                .is_ok()
        );
    }
}

#[tokio::test]
async fn another_database_at_the_address_is_looked_at() {
    let server = Postgres::start().await;
    server
        .ask("CREATE TABLE items (id text PRIMARY KEY, name text)")
        .await
        .unwrap();
    server
        .ask("INSERT INTO items VALUES ('a', 'old')")
        .await
        .unwrap();
    server.ask("CREATE DATABASE other").await.unwrap();
    let origin = open(config(server.url(), "items")).await;
    assert!(text(&origin, "a").await.unwrap().contains("old"));
    let at = |database: &str| server.url().replace("/larder?", &format!("/{database}?"));
    let ask = async |database: &str, sql: &str| {
        let (client, connection) = tokio_postgres::connect(&at(database), tokio_postgres::NoTls)
            .await
            .unwrap();
        tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
    };
    ask("other", "CREATE TABLE items (title text, id text PRIMARY KEY); INSERT INTO items VALUES ('new', 'a')").await;
    ask("postgres", "ALTER DATABASE larder ALLOW_CONNECTIONS false").await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'larder'";
    ask("postgres", end).await;
    ask("postgres", "ALTER DATABASE larder RENAME TO old").await;
    let error = origin.load(wanted("a")).await.unwrap_err();
    assert_eq!(
        error.class(),
        crate::Class::Failed,
        "there is no such database: {error}"
    );
    ask("postgres", "ALTER DATABASE other RENAME TO larder").await;
    let mut row = origin.load(wanted("a")).await;
    if row.is_err() {
        row = origin.load(wanted("a")).await;
    }
    let row = row.unwrap().value.unwrap();
    assert_eq!(row, Value::json(r#"{"title":"new","id":"a"}"#));
}

#[tokio::test]
async fn trouble_is_found_and_is_over_while_nobody_calls() {
    let shop = Shop::new().await;
    let origin = open(shop.config("items")).await;
    let becomes = async |is_trouble: bool| {
        let begun = std::time::Instant::now();
        while origin.trouble().is_some() != is_trouble {
            assert!(begun.elapsed() < 2 * LOOK, "it is looked at each {LOOK:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    becomes(false).await;
    shop.0
        .ask("ALTER TABLE items RENAME TO things")
        .await
        .unwrap();
    becomes(true).await;
    shop.0
        .ask("ALTER TABLE things RENAME TO items")
        .await
        .unwrap();
    becomes(false).await;
}

/// An absence is believed for a tenth of a second after a look.
async fn until_no_look_before_counts() {
    tokio::time::sleep(Duration::from_millis(150)).await;
}

#[tokio::test]
async fn a_key_of_another_type_is_no_absence_and_no_refusal() {
    let shop = Shop::new().await;
    let table = "CREATE TABLE lots (id int PRIMARY KEY, n int); INSERT INTO lots VALUES (1, 1)";
    shop.0.ask(table).await.unwrap();
    let origin = open(shop.config("lots")).await;
    for (kind, id, next) in [
        ("bigint", "3000000000", "3000000001"),
        ("text", "abc", "next"),
        ("varchar(40)", "1-a", "1-b"),
    ] {
        assert_eq!(text(&origin, id).await, None, "{kind}");
        shop.0
            .ask(&format!(
                "ALTER TABLE lots ALTER COLUMN id TYPE {kind}; INSERT INTO lots VALUES ('{id}', 1)"
            ))
            .await
            .unwrap();
        until_no_look_before_counts().await;
        assert!(text(&origin, id).await.is_some(), "{kind}");
        assert!(write(&origin, next, r#"{"n":2}"#).await.is_ok(), "{kind}");
    }
    for (kind, before, id) in [("bigint", "int", "3000000000"), ("text", "bigint", "x")] {
        let again = format!(
            "TRUNCATE lots; ALTER TABLE lots ALTER COLUMN id TYPE {before} USING id::{before}"
        );
        for is_queued in [false, true] {
            shop.0.ask(&again).await.unwrap();
            write(&origin, "1", "{}").await.unwrap();
            assert_eq!(text(&origin, id).await, None, "{kind}");
            shop.0
                .ask(&format!(
                    "ALTER TABLE lots ALTER COLUMN id TYPE {kind}; INSERT INTO lots VALUES ('{id}', 1)"
                ))
                .await
                .unwrap();
            until_no_look_before_counts().await;
            let deleted = match is_queued {
                false => origin.delete(wanted(id)).await,
                true => origin.apply(&[queued(id, None, 1)]).await.remove(0),
            };
            assert_eq!(deleted.unwrap().existed, Some(true), "{kind}");
            assert_eq!(text(&origin, id).await, None, "{kind}");
        }
    }
}

#[tokio::test]
async fn a_value_never_passes_through_the_type_that_its_column_had() {
    let shop = Shop::new().await;
    let table =
        "CREATE TABLE lots (id text PRIMARY KEY, r real, t timestamp, c char(3), d date, n int);
        INSERT INTO lots VALUES ('a')";
    shop.0.ask(table).await.unwrap();
    let origin = open(shop.config("lots")).await;
    for (column, kind, value, first) in [
        ("r", "double precision", "0.12345678901234", "1"),
        ("t", "timestamptz", r#""2026-01-01T00:00:00+02:00""#, "null"),
        ("c", "text", r#""a  ""#, "null"),
        ("d", "timestamp", r#""2026-01-01T10:20:30""#, "null"),
        ("n", "numeric", "1.75", "1"),
    ] {
        write(&origin, "a", &format!(r#"{{"{column}":{first}}}"#))
            .await
            .unwrap();
        shop.0
            .ask(&format!(
                "ALTER TABLE lots ALTER COLUMN {column} TYPE {kind}"
            ))
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
        let body = Value::json(format!(r#"{{"{column}":{value}}}"#));
        let changes = [queued("a", Some(&body), 1), queued("b", Some(&body), 1)];
        for answer in origin.apply(&changes).await {
            answer.unwrap();
        }
        let quoted = value.replace('"', "'");
        for id in ["a", "b"] {
            let same =
                format!("SELECT ({column} = {quoted}::{kind})::text FROM lots WHERE id = '{id}'");
            let same = shop.0.ask(&same).await.unwrap();
            assert_eq!(same.as_deref(), Some("true"), "{kind} {id}");
        }
    }
}

#[tokio::test]
async fn a_queued_write_of_a_new_column_is_no_dead_letter() {
    let shop = Shop::new().await;
    let origin = open(shop.config("items")).await;
    write(&origin, "a", r#"{"n":1}"#).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    let add = "ALTER TABLE items ADD COLUMN colour text";
    shop.0.ask(add).await.unwrap();
    let (good, bad) = (
        Value::json(r#"{"colour":"red"}"#),
        Value::json(r#"{"color":1}"#),
    );
    let changes = [queued("a", Some(&good), 1), queued("b", Some(&bad), 1)];
    let answers = origin.apply(&changes).await;
    assert!(answers[0].is_ok(), "{answers:?}");
    assert_eq!(answers[1].as_ref().unwrap_err().as_str(), "rejected");
    let row = r#"{"id":"a","name":null,"n":1,"colour":"red"}"#;
    assert_eq!(text(&origin, "a").await.as_deref(), Some(row));
}
