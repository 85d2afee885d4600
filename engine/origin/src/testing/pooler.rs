//! A pooler before a server.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use larder_servers::{Process, free_port};
use tempfile::TempDir;

use super::program::{command_at, give};

/// PgBouncer, which has each transaction executed by another session of the server. It is killed
/// when dropped.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Pooler {
    /// Starts one before the server at `port`, with this line of its settings, and waits until it
    /// listens.
    pub async fn start(port: u16, setting: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let own = free_port();
        let file = folder.path().join("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={port} user=larder\n[pgbouncer]\n\
             listen_addr = 127.0.0.1\nlisten_port = {own}\nunix_socket_dir =\nauth_type = any\n\
             pool_mode = transaction\nserver_round_robin = 1\ndefault_pool_size = 4\n\
             min_pool_size = 4\n{setting}\n"
        );
        fs::write(&file, text).expect("its settings");
        give(folder.path());
        give(&file);
        let mut program = command_at(Path::new("/usr/sbin"), "pgbouncer");
        let log = fs::File::create(folder.path().join("log")).expect("a log");
        let process = Process::start(program.arg(&file).stderr(log));
        let begun = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", own))
            .await
            .is_err()
        {
            let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            assert!(
                begun.elapsed() < Duration::from_secs(30),
                "no pooler: {log}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Self {
            port: own,
            _process: process,
            _folder: folder,
        }
    }

    /// The address of a database of the server, by the pooler.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        super::client::url(self.port, database)
    }
}
