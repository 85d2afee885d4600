//! A master with a replica, and three sentinels that watch over them.

use std::process::{Command, Stdio};

use larder_servers::{Once, Process, folder, free_port};
use tempfile::TempDir;

use super::cluster::text;
use super::server::{Server, ask};
use super::until;

const NAME: &str = "larder";
/// Longer than a busy machine keeps a master from answering.
const PATIENT_MS: &str = "30000";

/// One master, one replica, and three sentinels that replace the master a second after it fell
/// silent.
#[derive(Debug)]
pub struct Sentinels {
    /// The master at the start.
    pub master: Server,
    /// The one that takes over.
    pub replica: Server,
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    port: u16,
    process: Process,
    folder: TempDir,
}

impl Sentinels {
    /// The name of the master at the sentinels.
    pub const NAME: &str = NAME;

    /// The addresses of the sentinels that all tests of the run share.
    /// They replace it only if it is silent for long, which it is not made to be.
    pub async fn shared() -> Vec<String> {
        static SHARED: Once = Once::new("sentinels");
        let start = async || {
            let all = Self::start().await;
            all.are_patient().await;
            let urls = all.urls().join("\n");
            let mut processes = vec![all.master.leave(), all.replica.leave()];
            processes.extend(all.sentinels.into_iter().map(Sentinel::leave));
            (urls, processes)
        };
        let urls = SHARED.get(start).await;
        urls.lines().map(str::to_owned).collect()
    }

    async fn are_patient(&self) {
        let patient = [
            "SENTINEL",
            "SET",
            NAME,
            "down-after-milliseconds",
            PATIENT_MS,
        ];
        for sentinel in &self.sentinels {
            let set = ask(&sentinel.url(), &patient).await;
            set.expect("a sentinel takes settings");
        }
    }

    /// Starts all and waits until the sentinels know each other and the replica.
    pub async fn start() -> Self {
        let master = Server::start().await;
        let port = master.port().to_string();
        let replica = Server::with(&["--replicaof", "127.0.0.1", &port]).await;
        until("the replica is in step", async || {
            let told = text(replica.ask(&["INFO", "replication"]).await);
            told.contains("master_link_status:up")
        })
        .await;
        let sentinels = (0..3).map(|_| Sentinel::spawn(master.port())).collect();
        let all = Self {
            master,
            replica,
            sentinels,
        };
        until("the sentinels are ready", async || all.are_ready().await).await;
        all
    }

    /// Whether every sentinel knows a master that serves, its replica, and the others.
    pub async fn are_ready(&self) -> bool {
        for sentinel in &self.sentinels {
            if !sentinel.is_ready().await {
                return false;
            }
        }
        true
    }

    /// The addresses of the sentinels.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Sentinel::url).collect()
    }
}

impl Sentinel {
    fn spawn(master: u16) -> Self {
        let (port, folder) = (free_port(), TempDir::new_in(folder()).expect("a folder"));
        let path = folder.path().join("sentinel.conf");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor {NAME} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 3000\n"
        );
        std::fs::write(&path, settings).expect("the settings can be written");
        let mut command = Command::new("redis-server");
        command.arg(&path).args(["--sentinel", "--dir"]);
        command.arg(folder.path()).stderr(Stdio::null());
        Self {
            port,
            process: Process::start(&mut command),
            folder,
        }
    }

    /// Its process, which goes on with its folder.
    fn leave(self) -> Process {
        let _kept = self.folder.keep();
        self.process
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn is_ready(&self) -> bool {
        let told = text(ask(&self.url(), &["INFO", "sentinel"]).await);
        told.contains("status=ok") && told.contains("slaves=1") && told.contains("sentinels=3")
    }
}
