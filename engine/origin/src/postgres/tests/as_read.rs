use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::*;

const TYPES: &str = "
    CREATE TYPE mood AS ENUM ('sad', 'glad');
    CREATE TABLE types (id text PRIMARY KEY, n int, big bigint, price numeric(10,2), any_number numeric,
        f double precision, r real, flag boolean, t text, v varchar(5), c char(5), u uuid, b bytea,
        j jsonb, js json, d date, ti time, ts timestamp, ts0 timestamp(0), tz timestamptz, a int[],
        prices numeric(6,1)[], m mood, i interval);
    CREATE TABLE chars (id char(5) PRIMARY KEY, note text);
    CREATE TABLE stamped (id text PRIMARY KEY, n int, at int);
    CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.at := NEW.n * 2; RETURN NEW; END $$;
    CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON stamped FOR EACH ROW EXECUTE FUNCTION stamp();
    CREATE TABLE logged (id text PRIMARY KEY, n int); CREATE TABLE log (line text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN INSERT INTO log VALUES ('logged:' || NEW.id); RETURN NULL; END $$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE ON logged FOR EACH ROW EXECUTE FUNCTION note();
    CREATE TABLE summed (id text PRIMARY KEY, n int, total int);
    CREATE FUNCTION sums() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN UPDATE summed SET total = n WHERE id = NEW.id AND total IS DISTINCT FROM n; RETURN NULL; END $$;
    CREATE TRIGGER sums AFTER INSERT OR UPDATE ON summed FOR EACH ROW EXECUTE FUNCTION sums();
";

async fn place() -> (Shop, Database) {
    let shop = Shop::new().await;
    let database = Database::create().await;
    database.ask(TYPES).await.unwrap();
    (shop, database)
}

fn body(fields: &str) -> Value {
    Value::json(fields.to_owned())
}

/// Values of every kind, as clients spell them: what is told before the write is what a load brings.
#[tokio::test]
async fn what_is_told_of_a_field_is_what_the_server_shows() {
    let (_shop, database) = place().await;
    let origin = PostgresOrigin::open(config(database.url(), "types"))
        .await
        .unwrap();
    let mut told = Vec::new();
    for (column, values) in [
        ("n", &["5", r#""5""#, "null"][..]),
        ("big", &["9007199254740993", "-9223372036854775808"]),
        (
            "price",
            &[
                "5",
                "5.126",
                "-5.125",
                "0.005",
                r#""7.1""#,
                "99999999.99",
                "1e2",
            ],
        ),
        (
            "any_number",
            &["1.50", "-0.0", "123456789012345678901234567890.10", "1e3"],
        ),
        (
            "f",
            &[
                "0.1",
                "1e2",
                "1e14",
                "1e15",
                "123456.789",
                "0.0001",
                "0.00001",
                "-0.0",
                "9007199254740993",
            ],
        ),
        (
            "r",
            &[
                "0.1",
                "123456.7",
                "999999.94",
                "1e6",
                "16777217",
                "1.23456789",
            ],
        ),
        ("flag", &["true", "false"]),
        (
            "t",
            &[r#""""#, r#""a \u00e9 \"q\" \\ \n ""#, "1.50", "true"],
        ),
        ("v", &[r#""abc""#, r#""abc  ""#, r#""abcde   ""#]),
        ("c", &[r#""""#, r#""ab""#, r#""é  ""#]),
        ("u", &[r#""A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11""#]),
        ("b", &[r#""\\x00FF""#, r#""\\x""#]),
        (
            "j",
            &[r#"{"b":1.0,"a":[1, {"x":null}]}"#, r#""s""#, "1e2", "[]"],
        ),
        ("js", &[r#"{"b":1, "a":2}"#]),
        ("d", &[r#""2026-01-02""#, r#""2026-1-2""#]),
        ("ti", &[r#""03:04:05""#, r#""03:04:05.120""#]),
        (
            "ts",
            &[
                r#""2026-01-02""#,
                r#""2026-01-02 03:04:05""#,
                r#""2026-01-02T03:04:05.1200""#,
                r#""2026-01-02T03:04:05Z""#,
            ],
        ),
        (
            "ts0",
            &[r#""2026-01-02T03:04:05""#, r#""2026-01-02T03:04:05.6""#],
        ),
        (
            "tz",
            &[
                r#""2026-01-02T03:04:05Z""#,
                r#""2026-01-02T03:04:05.5+00:00""#,
                r#""2026-01-02T03:04:05+02:00""#,
            ],
        ),
        ("a", &["[1, 2]", "[]", "[1, null]", "[[1],[2]]"]),
        ("prices", &["[1, 2.25]"]),
        ("m", &[r#""glad""#]),
        ("i", &[r#""36 hours""#]),
    ] {
        for value in values {
            let written = body(&format!(r#"{{"{column}":{value}}}"#));
            let shown = origin.as_read(&written);
            let wanted = crate::contract::queued("r", None, 0).wanted;
            origin
                .write(wanted, &written)
                .await
                .unwrap_or_else(|error| panic!("{column} {value}: {error}"));
            let Some(shown) = shown else { continue };
            let loaded = origin.load(wanted).await.unwrap().value.unwrap();
            let fields = |value: &Value| -> BTreeMap<String, Box<RawValue>> {
                serde_json::from_slice(&value.bytes).unwrap()
            };
            let (shown, loaded) = (fields(&shown), fields(&loaded));
            let (shown, loaded) = (shown[column].get(), loaded[column].get());
            match column {
                "j" => {
                    let json = |text| serde_json::from_str::<serde_json::Value>(text).unwrap();
                    assert!(
                        json(shown) == json(loaded) || *value == "1e2",
                        "{column} {value}"
                    );
                }
                _ => assert_eq!(shown, loaded, "{column} {value}"),
            }
            told.push(column);
        }
    }
    assert!(told.len() > 45, "{} are told: {told:?}", told.len());
    for column in [
        "n", "price", "f", "t", "c", "u", "b", "j", "d", "ts", "a", "m",
    ] {
        assert!(told.contains(&column), "{column}");
    }
}

#[tokio::test]
async fn what_triggers_make_of_a_row_is_not_told_and_what_they_log_is_no_matter() {
    let (_shop, database) = place().await;
    for (table, all, computes) in [
        ("stamped", r#"{"id":"r","n":1,"at":7}"#, true),
        ("summed", r#"{"id":"r","n":1,"total":7}"#, true),
        ("logged", r#"{"id":"r","n":1}"#, false),
    ] {
        let origin = PostgresOrigin::open(config(database.url(), table))
            .await
            .unwrap();
        let wanted = crate::contract::queued("r", None, 0).wanted;
        assert_eq!(origin.computes(), computes, "{table}");
        assert_eq!(
            origin.whole(wanted, &body(all)).is_none(),
            computes,
            "{table}"
        );
    }
}

#[tokio::test]
async fn a_key_that_is_padded_is_told_as_it_is_kept() {
    let (_shop, database) = place().await;
    let origin = PostgresOrigin::open(config(database.url(), "chars"))
        .await
        .unwrap();
    let wanted = crate::contract::queued("ab", None, 0).wanted;
    let row = body(r#"{"id":"ab","note":"n"}"#);
    let told = origin.whole(wanted, &row);
    origin.write(wanted, &row).await.unwrap();
    assert_eq!(origin.load(wanted).await.unwrap().value, told);
}
