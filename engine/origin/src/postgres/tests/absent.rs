//! A server that is not there when the origin is opened.

use super::*;
use crate::testing::Postgres;

async fn unreachable(origin: &PostgresOrigin) -> String {
    let error = origin.load(wanted("42")).await.unwrap_err();
    assert_eq!(error.as_str(), "unreachable", "{error}");
    error.to_string()
}

#[tokio::test]
async fn an_origin_opens_without_its_server_and_works_when_that_comes() {
    let mut server = server().await;
    let config = config(server.url(), "products");
    server.kill();
    let origin = open(config).await;
    let error = unreachable(&origin).await;
    assert!(
        error.contains("127.0.0.1:") && !error.contains("secret"),
        "{error}"
    );
    let value = Value::json("{}");
    let changes = [queued("1", Some(&value), 1), queued("2", None, 1)];
    for answer in origin.apply(&changes).await {
        assert_eq!(answer.unwrap_err().as_str(), "unreachable");
    }
    let trouble = origin.trouble().unwrap();
    assert!(
        trouble.contains("cannot be reached") && !trouble.contains("secret"),
        "{trouble}"
    );
    server.restart().await;
    let loads = (0..8).map(|_| text(&origin, "42"));
    for value in futures_util::future::join_all(loads).await {
        assert!(value.is_some(), "whoever looks first looks for all");
    }
    assert_eq!(origin.trouble(), None);
}

#[tokio::test]
async fn what_is_wrong_with_the_table_is_the_answer_until_it_is_mended() {
    let mut server = server().await;
    let config = config(server.url(), "later");
    server.kill();
    let origin = open(config.clone()).await;
    unreachable(&origin).await;
    server.restart().await;
    for _ in 0..2 {
        let error = origin.load(wanted("42")).await.unwrap_err();
        assert!(!error.is_permanent(), "what is queued has to wait: {error}");
        assert!(error.to_string().contains("no table `later`"), "{error}");
    }
    assert!(origin.trouble().unwrap().contains("no table `later`"));
    let known = PostgresOrigin::open(config).await.err();
    assert!(
        matches!(known, Some(OpenError::NoTable { .. })),
        "{known:?}"
    );

    let table = "CREATE TABLE later (id bigint PRIMARY KEY); INSERT INTO later VALUES (42)";
    server.ask(table).await.unwrap();
    assert_eq!(text(&origin, "42").await.as_deref(), Some(r#"{"id":42}"#));
    assert_eq!(origin.trouble(), None);
}

#[tokio::test]
async fn only_what_may_cure_itself_is_waited_for() {
    let started = server().await;
    let server = started.url();
    let port = started.port().to_string();
    let at = |url: String| PostgresConfig::new(url, "items", "id");
    for (url, words) in [
        (
            server.replace("/larder?", "/nowhere?"),
            "\"nowhere\" does not exist",
        ),
        (
            server.replace("//larder:", "//nobody:"),
            "\"nobody\" does not exist",
        ),
        (
            server.replace("sslmode=disable", "sslmode=require"),
            "does not support TLS",
        ),
    ] {
        let error = PostgresOrigin::open(at(url)).await.err().unwrap();
        assert!(matches!(error, OpenError::Server { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    for url in [
        server.replace(&port, "1"),
        server.replace("127.0.0.1", "nowhere.invalid"),
    ] {
        unreachable(&open(at(url)).await).await;
    }
}

#[tokio::test]
async fn a_server_that_is_full_is_waited_for() {
    let server = Postgres::start().await;
    server.ask(SHOP).await.unwrap();
    let full = "ALTER ROLE guest CONNECTION LIMIT 0";
    server.ask("CREATE ROLE guest LOGIN").await.unwrap();
    server.ask("GRANT SELECT ON items TO guest").await.unwrap();
    server.ask(full).await.unwrap();
    let url = server.url().replace("//larder:", "//guest:");
    let origin = open(PostgresConfig::new(url, "items", "id")).await;
    let error = unreachable(&origin).await;
    assert!(error.contains("too many connections"), "{error}");
    server
        .ask("ALTER ROLE guest CONNECTION LIMIT 5")
        .await
        .unwrap();
    assert_eq!(text(&origin, "42").await, None);
}
