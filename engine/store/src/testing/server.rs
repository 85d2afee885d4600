//! One server process.

use std::process::{Command, Stdio};
use std::time::Duration;

use larder_servers::{Once, Process, folder, free_port};
use redis::{AsyncConnectionConfig, Client, Value};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// A `redis-server` on loopback.
#[derive(Debug)]
pub struct Server {
    port: u16,
    args: Vec<String>,
    process: Process,
    folder: TempDir,
}

impl Server {
    /// The address of the one that all tests of the run share.
    pub async fn shared() -> String {
        static SHARED: Once = Once::new("redis");
        let start = async || {
            let server = Self::start().await;
            (server.url(), vec![server.leave()])
        };
        SHARED.get(start).await
    }

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
        let folder = TempDir::new_in(folder()).expect("a temporary folder");
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self {
            port,
            process: launch(port, &args, &folder),
            args,
            folder,
        }
    }

    /// Its process, which goes on with its folder.
    pub(super) fn leave(self) -> Process {
        let _kept = self.folder.keep();
        self.process
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
        self.process.kill();
    }

    /// Starts it again on the same port, empty, and waits until it answers.
    pub async fn restart(&mut self) {
        self.kill();
        self.process = launch(self.port, &self.args, &self.folder);
        self.answers().await;
    }

    /// Keeps its connections open, but silent.
    pub fn stop_replying(&self) {
        self.process.stop();
    }

    /// Ends [`Server::stop_replying`].
    pub fn go_on(&self) {
        self.process.go_on();
    }

    /// One command on a connection of its own.
    ///
    /// # Errors
    /// As the server or the connection has it.
    pub async fn ask(&self, command: &[&str]) -> redis::RedisResult<Value> {
        ask(&self.url(), command).await
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

fn launch(port: u16, args: &[String], folder: &TempDir) -> Process {
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
    let mut command = Command::new("redis-server");
    command.args(fixed).arg(folder.path()).args(args);
    Process::start(command.stderr(Stdio::null()))
}
