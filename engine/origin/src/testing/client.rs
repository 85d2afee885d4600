//! Connections of the user `larder`, past the origin.

use std::time::Duration;

use tokio_postgres::tls::NoTlsStream;
use tokio_postgres::{Client, Connection, Error, NoTls, SimpleQueryMessage, Socket};

pub(super) fn url(port: u16, database: &str) -> String {
    format!("postgres://larder:secret@127.0.0.1:{port}/{database}?sslmode=disable")
}

/// Runs statements, and answers the first column of the last row that came, as text.
pub(super) async fn ask(port: u16, database: &str, sql: &str) -> Result<Option<String>, Error> {
    let (client, connection) = connect(port, database).await?;
    let driver = tokio::spawn(connection);
    let answers = client.simple_query(sql).await;
    driver.abort();
    Ok(answers?.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    }))
}

pub(super) async fn connect(
    port: u16,
    database: &str,
) -> Result<(Client, Connection<Socket, NoTlsStream>), Error> {
    let mut config = tokio_postgres::Config::new();
    config
        .host("127.0.0.1")
        .port(port)
        .user("larder")
        .dbname(database)
        .connect_timeout(Duration::from_secs(2));
    config.connect(NoTls).await
}
