//! A real PostgreSQL for tests, on a free loopback port and in a temporary folder. It is killed
//! when dropped. It needs the server's programs in the path or below `/usr/lib/postgresql`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "for tests, where a panic is the failure"
)]

mod certificate;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio_postgres::NoTls;

/// Whether what was committed outlives the machine, or only the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing is synced: fast, and enough where only the server is killed, since commits are
    /// written before they are answered.
    Fast,
    /// Every commit is synced.
    Full,
}

/// A PostgreSQL server with one database, `larder`, and one user, `larder`.
#[derive(Debug)]
pub struct Postgres {
    port: u16,
    durability: Durability,
    folder: TempDir,
    child: Option<Child>,
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
        let folder = TempDir::new().expect("a temporary folder");
        if let Some((user, group)) = account() {
            chown(folder.path(), Some(user), Some(group)).expect("the folder can be given away");
        }
        let made = command("initdb")
            .args([
                "--no-sync",
                "--auth=trust",
                "--username=larder",
                "--encoding=UTF8",
            ])
            .args(["--locale=C.UTF-8", "-D"])
            .arg(folder.path().join("data"))
            .output()
            .expect("initdb is installed");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        if let Some(name) = certified {
            certificate::make(folder.path(), name);
        }
        let mut server = Self {
            port: free_port(),
            durability,
            folder,
            child: None,
        };
        server.launch();
        server.answers("postgres").await;
        let (client, connection) = server
            .connect("postgres")
            .await
            .expect("it answered just now");
        let driver = tokio::spawn(connection);
        client
            .batch_execute("CREATE DATABASE larder")
            .await
            .expect("a database");
        driver.abort();
        server
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `postgres://larder:secret@127.0.0.1:port/larder`; any password is taken.
    #[must_use]
    pub fn url(&self) -> String {
        format!(
            "postgres://larder:secret@127.0.0.1:{}/larder?sslmode=disable",
            self.port
        )
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
    pub async fn ask(&self, sql: &str) -> Result<Option<String>, tokio_postgres::Error> {
        let (client, connection) = self.connect("larder").await?;
        let driver = tokio::spawn(connection);
        let answers = client.simple_query(sql).await;
        driver.abort();
        Ok(answers?.iter().rev().find_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }

    /// Kills it and its children, as by `kill -9`.
    #[expect(
        clippy::disallowed_methods,
        reason = "dropping it kills it too, and a drop cannot await"
    )]
    pub fn kill(&mut self) {
        let Some(mut child) = self.child.take() else {
            return;
        };
        // Stopped first, so that it has no more children than are found.
        signal("-STOP", &[child.id()]);
        let mut all = children(child.id());
        all.insert(0, child.id());
        signal("-KILL", &all);
        child.wait().expect("the server ends");
        // The next server refuses the folder while a child of this one lives.
        let begun = Instant::now();
        while all.iter().skip(1).any(|pid| lives(*pid)) {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "its children do not end"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kills it, starts it again on the same port and data, and waits until it answers.
    pub async fn restart(&mut self) {
        self.kill();
        self.launch();
        self.answers("larder").await;
    }

    /// Keeps its connections open, but silent, the server and its children.
    pub fn stop_replying(&self) {
        self.signal_all("-STOP");
    }

    /// Ends [`Postgres::stop_replying`].
    pub fn go_on(&self) {
        self.signal_all("-CONT");
    }

    fn signal_all(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id();
        let mut all = children(id);
        all.insert(0, id);
        signal(name, &all);
    }

    fn launch(&mut self) {
        let sync = if self.durability == Durability::Full {
            "on"
        } else {
            "off"
        };
        let log = fs::File::create(self.folder.path().join("log")).expect("a log");
        let mut settings = certificate::settings(self.folder.path());
        settings.extend(["fsync", "full_page_writes"].map(|name| format!("{name}={sync}")));
        settings.push("shared_buffers=32MB".into());
        let child = command("postgres")
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args([
                "-p",
                &self.port.to_string(),
                "-k",
                "",
                "-c",
                "listen_addresses=127.0.0.1",
            ])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres is installed");
        self.child = Some(child);
    }

    /// Waits until it answers. One whose predecessor was killed ends at once while the system
    /// still counts a child of that among the users of its memory: then it is launched again.
    async fn answers(&mut self, database: &str) {
        let begun = Instant::now();
        while self.connect(database).await.is_err() {
            let child = self.child.as_mut().expect("it was launched");
            let ended = child.try_wait().expect("a child can be waited for");
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "no answer within 60 s: {log}"
            );
            if ended.is_some() {
                self.launch();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn connect(
        &self,
        database: &str,
    ) -> Result<
        (
            tokio_postgres::Client,
            tokio_postgres::Connection<tokio_postgres::Socket, tokio_postgres::tls::NoTlsStream>,
        ),
        tokio_postgres::Error,
    > {
        let mut config = tokio_postgres::Config::new();
        config
            .host("127.0.0.1")
            .port(self.port)
            .user("larder")
            .dbname(database)
            .connect_timeout(Duration::from_secs(2));
        config.connect(NoTls).await
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The program, as the user that the server agrees to run as.
fn command(program: &str) -> Command {
    let mut command = Command::new(binary(program));
    command.current_dir("/");
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}

fn binary(program: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(program)))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| Path::new(program).to_owned())
}

/// User and group `postgres` where this runs as root, as which the server does not run.
fn account() -> Option<(u32, u32)> {
    if fs::metadata("/proc/self").ok()?.uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").ok()?;
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let mut parts = line.expect("a user `postgres`").split(':').skip(2);
    let mut number = || parts.next()?.parse().ok();
    Some((number()?, number()?))
}

fn children(parent: u32) -> Vec<u32> {
    let path = format!("/proc/{parent}/task/{parent}/children");
    let list = fs::read_to_string(path).unwrap_or_default();
    list.split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

fn lives(pid: u32) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !state.is_empty() && !state.contains(") Z ")
}

fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    // One of them may have ended in the meantime.
    let _ = Command::new("kill")
        .arg(name)
        .args(pids)
        .stderr(Stdio::null())
        .status();
}

/// Below the range from which the system takes the ports of outgoing connections.
fn free_port() -> u16 {
    for _ in 0..1000 {
        let port = fastrand::u16(21_500..31_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between 21500 and 31000");
}
