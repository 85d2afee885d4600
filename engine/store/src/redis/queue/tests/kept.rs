//! What the first format left on a Redis.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

/// Gives a server commands as they are on the wire, and waits until it has done them.
async fn feed(url: &str, commands: &[u8]) {
    let address = url.trim_start_matches("redis://").trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(commands).await.unwrap();
    stream.write_all(b"*1\r\n$4\r\nQUIT\r\n").await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    let refused = answers.lines().any(|line| line.starts_with('-'));
    assert!(!refused, "{answers}");
}

#[tokio::test]
async fn a_queue_of_the_first_format_is_read_whole() {
    let server = Server::start().await;
    feed(&server.url(), crate::queue::kept::REDIS).await;
    let config = RedisConfig {
        url: Some(server.url()),
        prefix: "kept".into(),
        ..RedisConfig::default()
    };
    let queue = RedisQueue::connect(RedisQueueConfig {
        redis: config,
        accept_loss: true,
        ..RedisQueueConfig::default()
    });
    let queue = Arc::new(queue.await.unwrap());
    crate::queue::kept::is_whole(queue).await;
}
