use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio_postgres::{Client, NoTls};

use super::*;
use crate::Origin as _;
use crate::outbox::contract::{self, ODD_IDS};
use crate::testing::{Database, Durability, Postgres};

const TRIGGER: &str = include_str!("../trigger.sql");
const NOTIFY: &str = include_str!("../notify.sql");

impl contract::Database for Database {
    fn run<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            self.ask(sql).await.unwrap();
        })
    }
}

/// One with the table.
pub(super) async fn database() -> Database {
    let database = Database::create().await;
    database.ask(TABLE).await.unwrap();
    database
}

/// One with the table that keeps what was committed when it is killed.
async fn server() -> Postgres {
    let server = Postgres::with(Durability::Full).await;
    server.ask(TABLE).await.unwrap();
    server
}

fn config(url: String) -> PostgresConfig {
    PostgresConfig::new(url, "products", "id")
}

pub(super) async fn open(url: String) -> PostgresOutbox {
    let opened = PostgresOutbox::open(&config(url), crate::outbox::TABLE, None).await;
    opened.unwrap()
}

async fn refused(config: &PostgresConfig, table: &str) -> String {
    let opened = PostgresOutbox::open(config, table, None).await;
    opened.err().unwrap().to_string()
}

/// A connection whose transaction can be left open.
async fn client(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

fn put(target: &str) -> String {
    format!("INSERT INTO larder_outbox (kind, target) VALUES ('tag', '{target}');")
}

async fn heard(outbox: &PostgresOutbox) {
    let hint = tokio::time::timeout(Duration::from_secs(20), outbox.hint());
    hint.await.expect("a hint comes");
}

/// The targets after `place`, once nothing is held back.
async fn all(outbox: &PostgresOutbox, place: Place) -> Vec<String> {
    loop {
        let page = outbox.read(place, 100).await.unwrap();
        if page.held_ms.is_none() {
            return page.rows.into_iter().map(|row| row.target).collect();
        }
    }
}

#[tokio::test]
async fn a_slow_transaction_that_took_its_number_first_is_not_skipped() {
    let database = database().await;
    let outbox = open(database.url()).await;
    database.ask(&put("before")).await.unwrap();
    assert_eq!(all(&outbox, Place::START).await, ["before"]);
    let place = outbox.read(Place::START, 10).await.unwrap().rows[0].place;

    let slow = client(&database).await;
    let begin = format!("BEGIN; {}", put("slow"));
    slow.batch_execute(&begin).await.unwrap();
    database.ask(&put("fast")).await.unwrap();
    let page = outbox.read(place, 10).await.unwrap();
    assert_eq!(page.rows, [], "the slow one may still commit");
    assert!(page.held_ms.is_some() && page.intact);
    slow.batch_execute("COMMIT").await.unwrap();
    assert_eq!(all(&outbox, place).await, ["slow", "fast"]);
}

#[tokio::test]
async fn a_transaction_that_writes_its_row_late_is_not_skipped() {
    let database = database().await;
    let outbox = open(database.url()).await;
    let slow = client(&database).await;
    let early = "BEGIN; SELECT pg_current_xact_id();";
    slow.batch_execute(early).await.unwrap();
    database.ask(&put("fast")).await.unwrap();
    let page = outbox.read(Place::START, 10).await.unwrap();
    assert!(page.rows.is_empty() && page.held_ms.is_some(), "{page:?}");
    let late = format!("SAVEPOINT a; {} RELEASE a; COMMIT;", put("slow"));
    slow.batch_execute(&late).await.unwrap();
    assert_eq!(all(&outbox, Place::START).await, ["slow", "fast"]);
}

#[tokio::test]
async fn what_the_table_lacks_is_named_with_the_sql_that_adds_it() {
    let database = Database::create().await;
    for table in [crate::outbox::TABLE, "Odd \"name"] {
        let error = refused(&config(database.url()), table).await;
        let (words, sql) = error.split_once("create it by\n").unwrap();
        assert!(words.contains(table) && words.contains("is not there"));
        database.ask(sql).await.unwrap();
        let opened = PostgresOutbox::open(&config(database.url()), table, None).await;
        opened.unwrap().read(Place::START, 1).await.unwrap();
    }
    for (change, words) in [
        (
            "ALTER TABLE larder_outbox RENAME kind TO sort",
            "has no column `kind` of type text",
        ),
        (
            "ALTER TABLE larder_outbox RENAME sort TO kind;
             ALTER TABLE larder_outbox DROP COLUMN xid; ALTER TABLE larder_outbox ADD xid bigint",
            "has no column `xid` of type xid8",
        ),
    ] {
        database.ask(change).await.unwrap();
        let error = refused(&config(database.url()), crate::outbox::TABLE).await;
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_user_without_the_right_is_told_what_to_grant() {
    let server = server().await;
    server.ask("CREATE ROLE reader LOGIN").await.unwrap();
    let mut config = config(server.url());
    config.url = config.url.replace("larder:secret", "reader:secret");
    let error = refused(&config, crate::outbox::TABLE).await;
    let (words, grant) = error.split_once(": ").unwrap();
    assert!(
        words.ends_with("by `reader`") && !error.contains("secret"),
        "{error}"
    );
    server.ask(grant).await.unwrap();
    let opened = PostgresOutbox::open(&config, crate::outbox::TABLE, None).await;
    let outbox = opened.unwrap();
    outbox.read(Place::START, 1).await.unwrap();
    outbox.remove(Place::START, 1).await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_is_asked_again() {
    let mut server = Postgres::start().await;
    server.kill();
    let outbox = open(server.url()).await;
    let error = outbox.read(Place::START, 10).await.unwrap_err();
    assert_eq!(error.as_str(), "unreachable", "{error}");
    server.restart().await;
    let error = outbox.read(Place::START, 10).await.unwrap_err();
    assert!(error.to_string().contains("CREATE TABLE"), "{error}");
    server.ask(TABLE).await.unwrap();
    server.ask(&put("first")).await.unwrap();
    assert_eq!(all(&outbox, Place::START).await, ["first"]);
}

#[tokio::test]
async fn a_commit_is_a_hint_and_so_is_a_connection_that_is_back() {
    let mut server = server().await;
    server.ask(NOTIFY).await.unwrap();
    let channel = Some("larder_outbox");
    let outbox = PostgresOutbox::open(&config(server.url()), crate::outbox::TABLE, channel).await;
    let outbox = outbox.unwrap();
    heard(&outbox).await;
    server
        .ask(&format!("BEGIN; {} {} COMMIT;", put("a"), put("b")))
        .await
        .unwrap();
    heard(&outbox).await;
    assert_eq!(all(&outbox, Place::START).await, ["a", "b"]);
    server.restart().await;
    heard(&outbox).await;
    server.ask(&put("c")).await.unwrap();
    heard(&outbox).await;
    assert_eq!(all(&outbox, Place::START).await, ["a", "b", "c"]);
}

#[tokio::test]
async fn a_place_is_gone_in_a_database_that_went_back_in_time() {
    let database = database().await;
    let outbox = open(database.url()).await;
    database.ask(&put("kept")).await.unwrap();
    let ahead = Place {
        transaction: 1 << 40,
        id: 7,
    };
    let page = outbox.read(ahead, 10).await.unwrap();
    assert_eq!((page.rows.len(), page.intact), (0, false));
}

/// The kinds, resources and ids after `place`, once nothing is held back.
async fn changed(outbox: &PostgresOutbox, place: Place) -> Vec<[String; 3]> {
    loop {
        let page = outbox.read(place, 1000).await.unwrap();
        if page.held_ms.is_none() {
            let name = |row: Row| [row.kind, row.resource, row.row_id];
            return page.rows.into_iter().map(name).collect();
        }
    }
}

async fn end(outbox: &PostgresOutbox) -> Place {
    changed(outbox, Place::START).await;
    let page = outbox.read(Place::START, 1000).await.unwrap();
    page.rows.last().map_or(Place::START, |row| row.place)
}

fn of_product(id: &str) -> [String; 3] {
    ["row", "product", id].map(ToOwned::to_owned)
}

async fn with_triggers(key: &str) -> (Database, PostgresOutbox) {
    let database = database().await;
    let table = format!("CREATE TABLE products (id {key} PRIMARY KEY, name text)");
    database.ask(&table).await.unwrap();
    database.ask(TRIGGER).await.unwrap();
    let outbox = open(database.url()).await;
    (database, outbox)
}

#[tokio::test]
async fn the_trigger_of_the_guide_names_what_changed() {
    let (database, outbox) = with_triggers("bigint").await;
    database
        .ask(
            "INSERT INTO products VALUES (1, 'a');
             UPDATE products SET name = 'b' WHERE id = 1;
             UPDATE products SET id = 2 WHERE id = 1;
             DELETE FROM products WHERE id = 2;",
        )
        .await
        .unwrap();
    let mut seen = changed(&outbox, Place::START).await;
    // Both ids of the second update come in either order.
    seen[2..4].sort();
    assert_eq!(seen, ["1", "1", "1", "2", "2"].map(of_product));
    let place = end(&outbox).await;
    database.ask("TRUNCATE products").await.unwrap();
    let all = ["origin", "", ""].map(ToOwned::to_owned);
    assert_eq!(changed(&outbox, place).await, [all]);
}

#[tokio::test]
async fn the_trigger_of_the_guide_names_ids_of_any_characters() {
    let (database, outbox) = with_triggers("text").await;
    let client = client(&database).await;
    for id in ODD_IDS {
        let place = end(&outbox).await;
        for sql in [
            "INSERT INTO products VALUES ($1, 'a')",
            "UPDATE products SET id = id || '!' WHERE id = $1",
            "DELETE FROM products WHERE id = $1 || '!'",
        ] {
            client.execute(sql, &[&id]).await.unwrap();
        }
        let mut seen = changed(&outbox, place).await;
        seen[1..3].sort();
        let other = format!("{id}!");
        assert_eq!(seen, [id, id, &other, &other].map(of_product));
    }
}

/// As the origin spells them, which is what entries are found by.
#[tokio::test]
async fn ids_of_other_types_are_spelled_as_the_origin_spells_them() {
    for (key, written, spelled) in [
        ("int", "042", "42"),
        ("numeric(6, 2)", "5", "5.00"),
        ("char(4)", "ab", "ab"),
        (
            "uuid",
            "6F9619FF-8B86-D011-B42D-00C04FC964FF",
            "6f9619ff-8b86-d011-b42d-00c04fc964ff",
        ),
        ("boolean", "t", "true"),
    ] {
        let (database, outbox) = with_triggers(key).await;
        let insert = format!("INSERT INTO products VALUES ('{written}', 'a')");
        database.ask(&insert).await.unwrap();
        let seen = changed(&outbox, Place::START).await;
        assert_eq!(seen, [of_product(spelled)], "{key}");
        let mut config = config(database.url());
        "products".clone_into(&mut config.table);
        let origin = crate::PostgresOrigin::open(config).await.unwrap();
        let load = async |id: &str| {
            let wanted = crate::Wanted {
                tenant: "",
                resource: "product",
                id,
                attributes: &[],
            };
            origin.load(wanted).await.unwrap().value.is_some()
        };
        assert!(load(spelled).await, "{key}");
        assert_eq!(load(written).await, written == spelled, "{key}");
    }
}

#[tokio::test]
async fn ids_that_a_collation_takes_for_one_are_two() {
    let database = database().await;
    let table = "CREATE COLLATION blind \
            (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
         CREATE TABLE products (id text COLLATE blind PRIMARY KEY)";
    database.ask(table).await.unwrap();
    database.ask(TRIGGER).await.unwrap();
    let outbox = open(database.url()).await;
    database
        .ask("INSERT INTO products VALUES ('abc'); UPDATE products SET id = 'ABC'")
        .await
        .unwrap();
    let mut seen = changed(&outbox, Place::START).await;
    seen[1..].sort();
    assert_eq!(seen, ["abc", "ABC", "abc"].map(of_product));
}

#[tokio::test]
async fn a_table_of_a_build_before_is_read() {
    let database = Database::create().await;
    let before = include_str!("../../outbox/before/postgres.sql");
    database.ask(before).await.unwrap();
    database.ask(&put("product:42")).await.unwrap();
    let outbox = open(database.url()).await;
    assert_eq!(all(&outbox, Place::START).await, ["product:42"]);
    let empty = ["tag", "", ""].map(ToOwned::to_owned);
    assert_eq!(changed(&outbox, Place::START).await, [empty]);
}

#[tokio::test]
async fn the_guide_brings_a_table_of_a_build_before_up_to_date() {
    let database = Database::create().await;
    let before = include_str!("../../outbox/before/postgres.sql");
    database.ask(before).await.unwrap();
    database.ask(&put("product:42")).await.unwrap();
    database.ask(include_str!("../renew.sql")).await.unwrap();
    let new = "INSERT INTO larder_outbox (resource, row_id) VALUES ('product', '50%')";
    database.ask(new).await.unwrap();
    let outbox = open(database.url()).await;
    let old = ["tag", "", ""].map(ToOwned::to_owned);
    assert_eq!(
        changed(&outbox, Place::START).await,
        [old, of_product("50%")]
    );
}

#[tokio::test]
async fn a_table_that_is_brought_up_to_date_is_read_whole_without_a_restart() {
    let database = Database::create().await;
    let before = include_str!("../../outbox/before/postgres.sql");
    database.ask(before).await.unwrap();
    database.ask(&put("product:42")).await.unwrap();
    let outbox = open(database.url()).await;
    assert_eq!(all(&outbox, Place::START).await, ["product:42"]);
    database.ask(include_str!("../renew.sql")).await.unwrap();
    let new = "INSERT INTO larder_outbox (resource, row_id) VALUES ('product', '50%')";
    database.ask(new).await.unwrap();
    let old = ["tag", "", ""].map(ToOwned::to_owned);
    let whole = [old, of_product("50%")];
    assert_eq!(changed(&outbox, Place::START).await, whole, "at once");
}
