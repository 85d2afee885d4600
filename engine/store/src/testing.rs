//! Servers for tests, started on loopback and gone with the test.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(10);

/// A Redis server of a test's own; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    port: u16,
    directory: PathBuf,
}

impl Server {
    /// Starts one on a free port, with an empty database that is never saved.
    ///
    /// # Panics
    /// If there is no `redis-server` on the path, or it does not start; the message says what to
    /// do.
    #[must_use]
    pub fn start() -> Self {
        let port = free_port();
        let directory = std::env::temp_dir();
        let directory = directory.join(format!("larder-redis-{}-{port}", std::process::id()));
        let made = std::fs::create_dir_all(&directory);
        assert!(made.is_ok(), "{} cannot be made", directory.display());
        let spawned = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(&directory)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = match spawned {
            Ok(child) => child,
            Err(error) => fail(&format!(
                "redis-server does not start ({error}); install it with `apt-get install redis-server`, or let `tests/run` do it"
            )),
        };
        let server = Self {
            child,
            port,
            directory,
        };
        server.wait();
        server
    }

    /// Where it listens, as a url.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn wait(&self) {
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            if begun.elapsed() > START {
                fail("redis-server started but does not listen; run it by hand to see why");
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = listener.and_then(|listener| listener.local_addr());
    address.map_or(0, |address| address.port())
}

#[allow(clippy::panic, reason = "a test that cannot begin has failed")]
fn fail(why: &str) -> ! {
    panic!("{why}")
}
