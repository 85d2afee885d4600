//! Absent, refused and failed are three.

use super::*;
use crate::Class;

#[tokio::test]
async fn what_a_view_cannot_compute_is_a_failure_and_no_absence() {
    let shop = Shop::new().await;
    shop.0
        .ask(
            "CREATE TABLE lots (id int PRIMARY KEY, price int, qty int, doc text, kind text);
              INSERT INTO lots VALUES (1, 6, 2, '1', '2020-01-01'), (2, 6, 0, 'x', 'never');
              CREATE VIEW rates AS SELECT id, price / qty AS rate FROM lots;
              CREATE VIEW numbers AS SELECT id, doc::int AS n FROM lots;
              CREATE VIEW days AS SELECT id, kind::date AS day FROM lots;
              CREATE FUNCTION strict_doc(text) RETURNS text LANGUAGE plpgsql AS $$
              BEGIN IF $1 = 'x' THEN RAISE EXCEPTION 'bad doc' USING ERRCODE = '23514'; END IF;
              RETURN $1; END $$;
              CREATE VIEW docs AS SELECT id, strict_doc(doc) AS doc FROM lots",
        )
        .await
        .unwrap();
    for (view, words) in [
        ("rates", "division by zero"),
        ("numbers", "invalid input syntax"),
        ("days", "never"),
        ("docs", "bad doc"),
    ] {
        let origin = open(shop.config(view)).await;
        assert!(text(&origin, "1").await.is_some(), "{view}");
        let error = origin.load(wanted("2")).await.unwrap_err();
        assert_eq!(error.as_str(), "failed", "{view}: {error}");
        assert!(error.to_string().contains(words), "{error}");
        for id in ["3", "x", "02", "2147483648", "1.0"] {
            assert_eq!(text(&origin, id).await, None, "{view} {id}");
        }
    }
}

#[tokio::test]
async fn only_an_id_that_cannot_be_a_value_of_the_key_is_absent() {
    for (kind, good, bad) in [
        ("smallint", "5", &["x", "40000", "05", "5.0", ""][..]),
        ("numeric", "1.50", &["1.5", "1.500", "x", "", "01.50"]),
        (
            "date",
            "2024-02-29",
            &["2023-02-29", "tomorrow-ish", "2024-2-29", "x"],
        ),
        (
            "timestamptz",
            "2024-01-01 00:00:00+00",
            &["x", "2024-01-01"],
        ),
        ("colour", "red", &["Red", "pink", "", "re\0d"]),
        (
            "uuid",
            "00000000-0000-0000-0000-00000000000a",
            &["x", "00000000-0000-0000-0000-00000000000A"],
        ),
        ("inet", "10.0.0.1/32", &["10.0.0.1", "10.0.0.300", "x"]),
        ("boolean", "true", &["t", "yes", "x"]),
        ("small", "3", &["11", "x", "03"]),
        ("varchar(3)", "abc", &["abcd", "ab"]),
        ("bytea", "\\x00ff", &["\\x00F", "x", "00ff"]),
        ("double precision", "0.1", &["1e400", "0.10", "x"]),
    ] {
        let shop = Shop::new().await;
        shop.0
            .ask(
                "CREATE TYPE colour AS ENUM ('red', 'blue');
                  CREATE DOMAIN small AS int CHECK (VALUE < 10);
                  SET timezone = 'UTC'",
            )
            .await
            .unwrap();
        shop.0
            .ask(&format!(
                "CREATE TABLE named (id {kind} PRIMARY KEY, n int)"
            ))
            .await
            .unwrap();
        shop.0
            .ask(&format!("INSERT INTO named VALUES ('{good}', 1)"))
            .await
            .unwrap();
        let origin = open(shop.config("named")).await;
        let shown = match kind {
            // As the server spells it by its own time zone.
            "timestamptz" => shop_time(&origin).await,
            "inet" => "10.0.0.1/32".into(),
            _ => good.to_owned(),
        };
        assert!(text(&origin, &shown).await.is_some(), "{kind} {shown}");
        for id in bad {
            assert_eq!(text(&origin, id).await, None, "{kind} {id:?}");
            let deleted = origin.delete(wanted(id)).await.unwrap();
            assert_eq!(deleted.existed, Some(false), "{kind} {id:?}");
            let deleted = origin
                .apply(&[queued(id, None, 1)])
                .await
                .remove(0)
                .unwrap();
            assert_ne!(deleted.existed, Some(true), "{kind} {id:?}");
            if !(kind == "varchar(3)" && *id == "ab") {
                let error = write(&origin, id, r#"{"n":2}"#).await.unwrap_err();
                assert_eq!(error.class(), Class::Refused, "{kind} {id:?}: {error}");
            }
        }
    }
}

async fn shop_time(origin: &PostgresOrigin) -> String {
    let session = origin.sessions.connect().await.unwrap();
    let row = session
        .client()
        .unwrap()
        .query_one("SELECT id::text FROM named", &[])
        .await
        .unwrap();
    let shown = row.get(0);
    session.keep();
    shown
}

#[tokio::test]
async fn what_its_own_values_lead_to_is_the_writers_fault() {
    let shop = Shop::new().await;
    shop.0
        .ask("CREATE TABLE lines (id text PRIMARY KEY, product bigint REFERENCES products (id),
                  n int NOT NULL DEFAULT 1, kind char(1) CHECK (kind < 'c'), code varchar(2),
                  later bigint REFERENCES products (id) DEFERRABLE INITIALLY DEFERRED);
              CREATE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql AS $$
              DECLARE x int; BEGIN
                  IF NEW.n = 500 THEN RAISE EXCEPTION 'not 500' USING ERRCODE = 'SHOP1'; END IF;
                  IF NEW.n = 501 THEN RAISE no_data_found; END IF;
                  IF NEW.n = 502 THEN ASSERT false, 'not 502'; END IF;
                  IF NEW.n = 503 THEN x := 1 / 0; END IF;
                  RETURN NEW; END $$;
              CREATE TRIGGER judge BEFORE INSERT OR UPDATE ON lines FOR EACH ROW EXECUTE FUNCTION judge()")
        .await
        .unwrap();
    let origin = open(shop.config("lines")).await;
    for (body, words) in [
        (r#"{"product":1}"#, "foreign key"),
        (r#"{"later":1}"#, "foreign key"),
        (r#"{"n":null}"#, "not-null"),
        (r#"{"kind":"d"}"#, "lines_kind_check"),
        (r#"{"code":"abc"}"#, "too long"),
        (r#"{"n":"x"}"#, "integer"),
        (r#"{"n":3000000000}"#, "out of range"),
        (r#"{"colour":"red"}"#, "no column `colour`"),
        (r#"{"n":500}"#, "not 500"),
        (r#"{"n":501}"#, "P0002"),
        (r#"{"n":502}"#, "not 502"),
        (r#"{"n":503}"#, "division by zero"),
    ] {
        let error = write(&origin, "a", body).await.unwrap_err();
        assert_eq!(error.class(), Class::Refused, "{body}: {error}");
        assert!(error.to_string().contains(words), "{body}: {error}");
        assert_eq!(text(&origin, "a").await, None, "{body}");
    }
}

#[tokio::test]
async fn row_security_refuses_a_row_and_missing_rights_refuse_a_write() {
    let shop = Shop::new().await;
    let user = format!("teller_{}", fastrand::u64(..));
    shop.0
        .ask(&format!(
            "CREATE TABLE safe (id text PRIMARY KEY, n int);
             ALTER TABLE safe ENABLE ROW LEVEL SECURITY;
             CREATE POLICY small ON safe USING (true) WITH CHECK (n < 10);
             CREATE ROLE {user} LOGIN; GRANT SELECT, INSERT, UPDATE ON safe TO {user};
             GRANT SELECT ON items TO {user}"
        ))
        .await
        .unwrap();
    let mut config = shop.config("safe");
    config.url = config.url.replace("//larder:", &format!("//{user}:"));
    let origin = open(config.clone()).await;
    write(&origin, "a", r#"{"n":1}"#).await.unwrap();
    let error = write(&origin, "a", r#"{"n":11}"#).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "{error}");
    let error = origin.delete(wanted("a")).await.unwrap_err();
    assert_eq!(
        error.as_str(),
        "rejected",
        "it may not delete at all: {error}"
    );
    config.table = "items".into();
    let items = open(config).await;
    let error = write(&items, "a", r#"{"n":1}"#).await.unwrap_err();
    assert_eq!(error.class(), Class::Refused, "it may read: {error}");
    assert!(error.to_string().contains("grant"), "{error}");
    let value = Value::json(r#"{"n":1}"#);
    for answer in items
        .apply(&[queued("a", Some(&value), 1), queued("b", None, 1)])
        .await
    {
        let error = answer.unwrap_err();
        assert!(!error.is_permanent(), "what is queued waits: {error}");
    }
    assert_eq!(text(&items, "a").await, None);
    drop(items);
    drop(origin);
    shop.0
        .ask(&format!("DROP OWNED BY {user}; DROP ROLE {user}"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_table_that_may_not_be_read_at_all_is_said_at_the_start_and_by_health() {
    let shop = Shop::new().await;
    let user = format!("clerk_{}", fastrand::u64(..));
    shop.0
        .ask(&format!("CREATE ROLE {user} LOGIN"))
        .await
        .unwrap();
    let mut config = shop.config("items");
    config.url = config.url.replace("//larder:", &format!("//{user}:"));
    let grant = format!(r#"GRANT SELECT ON "public"."items" TO "{user}""#);
    let error = PostgresOrigin::open(config.clone()).await.err().unwrap();
    assert!(error.to_string().ends_with(&grant), "{error}");
    shop.0.ask(&grant).await.unwrap();
    let origin = open(config).await;
    assert_eq!(text(&origin, "a").await, None);
    shop.0
        .ask(&format!("REVOKE SELECT ON items FROM {user}"))
        .await
        .unwrap();
    let begun = std::time::Instant::now();
    while origin.trouble().is_none() {
        let limit = 2 * super::super::inspected::LOOK;
        assert!(begun.elapsed() < limit, "it is looked at within {limit:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let error = origin.load(wanted("a")).await.unwrap_err();
    assert_eq!(error.as_str(), "schema", "{error}");
    assert!(error.to_string().contains(&grant), "{error}");
    shop.0.ask(&grant).await.unwrap();
    assert_eq!(text(&origin, "a").await, None);
    drop(origin);
    shop.0
        .ask(&format!("DROP OWNED BY {user}; DROP ROLE {user}"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_server_that_only_reads_refuses_writes_and_what_is_queued_waits() {
    let shop = Shop::new().await;
    let mut config = shop.config("items");
    config.url += "&options=-c%20default_transaction_read_only%3Don";
    let origin = open(config).await;
    for error in [
        write(&origin, "a", r#"{"n":1}"#).await.unwrap_err(),
        origin.delete(wanted("a")).await.unwrap_err(),
    ] {
        assert_eq!(error.class(), Class::Refused, "{error}");
        assert!(error.to_string().contains("a standby"), "{error}");
    }
    let value = Value::json(r#"{"n":1}"#);
    let answers = origin.apply(&[queued("a", Some(&value), 1)]).await;
    let error = answers.into_iter().next().unwrap().unwrap_err();
    assert!(!error.is_permanent(), "{error}");
    assert_eq!(text(&origin, "a").await, None);
}

#[tokio::test]
async fn what_a_trigger_names_and_nobody_has_is_a_failure_with_the_servers_words() {
    let shop = Shop::new().await;
    shop.0
        .ask(
            "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$
              BEGIN INSERT INTO audit VALUES (NEW.id); RETURN NEW; END $$;
              CREATE TRIGGER broken BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION broken()",
        )
        .await
        .unwrap();
    let origin = open(shop.config("items")).await;
    let error = write(&origin, "a", r#"{"n":1}"#).await.unwrap_err();
    assert_eq!(error.as_str(), "failed", "{error}");
    assert!(
        error.to_string().contains("audit") && error.to_string().contains("triggers"),
        "{error}"
    );
    assert_eq!(origin.trouble(), None, "the table itself can be read");
    assert_eq!(text(&origin, "a").await, None);
}
