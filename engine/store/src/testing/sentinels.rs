//! A master with a replica, and three sentinels that watch over them.

use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::cluster::text;
use super::server::{Server, ask, free_port};
use super::until;

/// The name of the master at the sentinels.
const NAME: &str = "larder";

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
    child: Child,
    _folder: TempDir,
}

impl Sentinels {
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

    /// The name of the master.
    #[must_use]
    pub fn name(&self) -> &'static str {
        NAME
    }

    /// The addresses of the sentinels.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(Sentinel::url).collect()
    }
}

impl Sentinel {
    fn spawn(master: u16) -> Self {
        let (port, folder) = (free_port(), TempDir::new().expect("a temporary folder"));
        let path = folder.path().join("sentinel.conf");
        let settings = format!(
            "port {port}\nbind 127.0.0.1\nsentinel monitor {NAME} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 3000\n"
        );
        std::fs::write(&path, settings).expect("the settings can be written");
        let child = Command::new("redis-server")
            .arg(&path)
            .args(["--sentinel", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        Self {
            port,
            child,
            _folder: folder,
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn is_ready(&self) -> bool {
        let told = text(ask(&self.url(), &["INFO", "sentinel"]).await);
        told.contains("status=ok") && told.contains("slaves=1") && told.contains("sentinels=3")
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
