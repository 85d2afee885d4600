//! A pooler before the server, which has each transaction executed by another session.

use super::*;
use crate::Outbox as _;
use crate::outbox::Place;
use crate::testing::Pooler;

const TAKES: &str = "ignore_startup_parameters = options";

#[tokio::test]
async fn calls_through_a_pooler_of_transactions_are_answered_by_their_own_statements() {
    let shop = Shop::new().await;
    let (port, name) = shop.0.place();
    let pooler = Pooler::start(port, TAKES).await;
    let mut config = shop.config("items");
    config.url = pooler.url(name);
    let origin = open(config.clone()).await;
    config.table = "products".into();
    let other = open(config).await;
    let calls = (0..60).map(|n| {
        let (origin, other) = (&origin, &other);
        async move {
            let (id, tea) = (format!("i{n}"), other.load(wanted("42")).await);
            write(origin, &id, &format!(r#"{{"n":{n}}}"#))
                .await
                .unwrap();
            let row = text(origin, &id).await.unwrap();
            assert_eq!(row, format!(r#"{{"id":"{id}","name":null,"n":{n}}}"#));
            let tea = tea.unwrap().value.unwrap();
            assert!(tea.bytes.starts_with(br#"{"id":42,"name":"Tea"#));
        }
    });
    futures_util::future::join_all(calls).await;
    let add = "ALTER TABLE items ADD COLUMN colour text DEFAULT 'red'";
    shop.0.ask(add).await.unwrap();
    tokio::time::sleep(Duration::from_millis(150)).await;
    write(&origin, "i1", r#"{"colour":"blue"}"#).await.unwrap();
    assert!(text(&origin, "i1").await.unwrap().contains("blue"));
}

#[tokio::test]
async fn a_pooler_that_takes_no_options_ends_the_start_with_what_to_set() {
    let shop = Shop::new().await;
    let (port, name) = shop.0.place();
    let pooler = Pooler::start(port, "").await;
    let mut config = shop.config("items");
    config.url = pooler.url(name);
    let error = PostgresOrigin::open(config).await.err().unwrap();
    assert!(matches!(error, OpenError::Server { .. }), "{error}");
    assert!(error.to_string().contains(TAKES), "{error}");
}

#[tokio::test]
async fn an_outbox_is_read_through_a_pooler() {
    let shop = Shop::new().await;
    shop.0.ask(include_str!("../outbox.sql")).await.unwrap();
    let (port, name) = shop.0.place();
    let pooler = Pooler::start(port, TAKES).await;
    let mut config = shop.config("items");
    config.url = pooler.url(name);
    let outbox = PostgresOutbox::open(&config, "larder_outbox", Some("larder"))
        .await
        .unwrap();
    for n in 1..=3 {
        let put = "INSERT INTO larder_outbox (kind, target) VALUES ('tag', 't')";
        shop.0.ask(put).await.unwrap();
        // Transactions of other tests keep rows back while they are open.
        let begun = std::time::Instant::now();
        while outbox.read(Place::default(), 100).await.unwrap().rows.len() != n {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "row {n} is not read"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
