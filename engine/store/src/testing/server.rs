//! One server process.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use parking_lot::Mutex;
use redis::{AsyncConnectionConfig, Client, Value};
use tempfile::TempDir;

use tokio::time::{Instant, sleep};

/// A `redis-server` on loopback.
#[derive(Debug)]
pub struct Server {
    port: u16,
    args: Vec<String>,
    folder: TempDir,
    child: Child,
}

impl Server {
    /// Starts one and waits until it answers.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// As [`Server::start`], with more arguments, for example `["--requirepass", "secret"]`.
    pub async fn with(args: &[&str]) -> Self {
        let server = Self::spawn(free_port(), args);
        server.answers().await;
        server
    }

    pub(super) fn spawn(port: u16, args: &[&str]) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let child = launch(port, &args, &folder);
        Self {
            port,
            args,
            folder,
            child,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `redis://127.0.0.1:port`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Kills it, as by `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server ends");
    }

    /// Starts it again on the same port, empty, and waits until it answers.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = launch(self.port, &self.args, &self.folder);
        self.answers().await;
    }

    /// Keeps its connections open, but silent.
    pub fn stop_replying(&self) {
        self.signal("-STOP");
    }

    /// Ends [`Server::stop_replying`].
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    /// One command on a connection of its own.
    ///
    /// # Errors
    /// As the server or the connection has it.
    pub async fn ask(&self, command: &[&str]) -> redis::RedisResult<Value> {
        ask(&self.url(), command).await
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until it takes commands, or says that it wants a password or TLS.
    pub(super) async fn answers(&self) {
        // Not by `until`: whoever restarts servers in a task needs a future that can be sent.
        let begun = Instant::now();
        loop {
            match self.ask(&["PING"]).await {
                Ok(_) => return,
                Err(error) if matches!(error.code(), Some("NOAUTH" | "NOPERM")) => return,
                Err(_) => {}
            }
            let port = self.port;
            let waited = begun.elapsed();
            assert!(
                waited < Duration::from_secs(30),
                "waited 30 s in vain for redis-server on port {port}"
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One command at `url`, on a connection of its own.
pub(super) async fn ask(url: &str, command: &[&str]) -> redis::RedisResult<Value> {
    let options = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(Duration::from_secs(1)))
        .set_response_timeout(Some(Duration::from_secs(5)));
    let client = Client::open(url)?;
    let mut connection = client
        .get_multiplexed_async_connection_with_config(&options)
        .await?;
    redis::cmd(command[0])
        .arg(&command[1..])
        .query_async(&mut connection)
        .await
}

fn launch(port: u16, args: &[String], folder: &TempDir) -> Child {
    let fixed = [
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--repl-diskless-sync-delay",
        "0",
        "--dir",
    ];
    Command::new("redis-server")
        .args(fixed)
        .arg(folder.path())
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed")
}

/// A port that nobody listens on, and whose Cluster bus port is free too. It lies below the range
/// from which the system takes the ports of outgoing connections: there, a client that tries to
/// reach a server that is down may end up connected to itself. No port is given twice, since a
/// server that was asked to listen takes a moment until it does.
#[must_use]
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    for _ in 0..10_000 {
        // Apart from the bus ports, which lie 10,000 higher.
        let port = fastrand::u16(11_000..21_000);
        if free(port) && free(port + 10_000) && GIVEN.lock().insert(port) {
            return port;
        }
    }
    panic!("no free port between 11000 and 21000");
}
