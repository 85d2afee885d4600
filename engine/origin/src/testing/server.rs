//! A server for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use larder_servers::{Process, free_port};
use tempfile::TempDir;
use tokio_postgres::Error;

use super::folder::DATA;
use super::program::command;
use super::{certificate, client, folder};

/// Whether what was committed outlives the machine, or only the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is synced: fast, and enough where only the server is killed, since commits are
    /// written before they are answered.
    Fast,
    /// Every commit is synced.
    Full,
}

/// A PostgreSQL server with one database, `larder`, and one user, `larder`. It is killed when
/// dropped, or when the process ends.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    durability: Durability,
    process: Process,
    folder: TempDir,
}

impl Postgres {
    /// Starts one that syncs nothing and waits until it answers.
    pub async fn start() -> Self {
        Self::with(Durability::Fast).await
    }

    /// Makes a database, starts the server and waits until it answers.
    pub async fn with(durability: Durability) -> Self {
        Self::begin(durability, None).await
    }

    /// Starts one that also speaks TLS, as a server of this name.
    pub async fn with_tls(name: &str) -> Self {
        Self::begin(Durability::Fast, Some(name)).await
    }

    async fn begin(durability: Durability, certified: Option<&str>) -> Self {
        let folder = folder::with_data().await;
        if let Some(name) = certified {
            certificate::make(folder.path(), name);
        }
        let port = free_port();
        let mut server = Self {
            port,
            durability,
            process: launch(port, durability, folder.path()),
            folder,
        };
        server.answers().await;
        server
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

    /// `postgres://larder:secret@127.0.0.1:port/larder`; any password is taken.
    #[must_use]
    pub fn url(&self) -> String {
        client::url(self.port, "larder")
    }

    /// The certificate of the authority that vouches for a server with TLS.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        certificate::ca(self.folder.path())
    }

    /// Runs statements, and answers the first column of the last row that came, as text.
    ///
    /// # Errors
    /// As the server or the connection has it.
    pub async fn ask(&self, sql: &str) -> Result<Option<String>, Error> {
        client::ask(self.port, "larder", sql).await
    }

    /// Kills it and its children, as by `kill -9`.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it, starts it again on the same port and data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.kill();
        self.launch();
        self.answers().await;
    }

    /// Keeps its connections open, but silent, the server and its children.
    pub fn stop_replying(&self) {
        self.process.stop();
    }

    /// Ends [`Postgres::stop_replying`].
    pub fn go_on(&self) {
        self.process.go_on();
    }

    fn launch(&mut self) {
        self.process = launch(self.port, self.durability, self.folder.path());
    }

    /// Waits until it answers. One whose predecessor was killed ends at once while the system
    /// still counts a child of that among the users of its memory: then it is launched again.
    async fn answers(&mut self) {
        let begun = Instant::now();
        while client::connect(self.port, "larder").await.is_err() {
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "no answer within 60 s: {log}"
            );
            if self.process.has_ended() {
                self.launch();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn launch(port: u16, durability: Durability, folder: &Path) -> Process {
    let sync = if durability == Durability::Full {
        "on"
    } else {
        "off"
    };
    let log = fs::File::create(folder.join("log")).expect("a log");
    let mut settings = certificate::settings(folder);
    settings.extend(["fsync", "full_page_writes"].map(|name| format!("{name}={sync}")));
    settings.push("shared_buffers=32MB".into());
    // For the tests of one run on a machine with many cores.
    settings.push("max_connections=400".into());
    settings.push("listen_addresses=127.0.0.1".into());
    let mut postgres = command("postgres");
    postgres.arg("-D").arg(folder.join(DATA));
    postgres.args(["-p", &port.to_string(), "-k", ""]);
    postgres.args(settings.iter().flat_map(|setting| ["-c", setting]));
    Process::start(postgres.stderr(log))
}
