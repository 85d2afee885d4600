//! Ports that nobody else is given.

use std::fs::{self, File};
use std::net::TcpListener;

use crate::run;

/// A port that nobody listens on, and whose Cluster bus port is free too. It lies below the range
/// from which the system takes the ports of outgoing connections: there, a client that tries to
/// reach a server that is down may end up connected to itself. No port is given twice in a run,
/// since a server that was asked to listen takes a moment until it does.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let given = run::folder().join("ports");
    fs::create_dir_all(&given).expect("the folder of the run is there");
    for _ in 0..10_000 {
        // Apart from the bus ports, which lie 10,000 higher.
        let port = fastrand::u16(11_000..21_000);
        let mine = || File::create_new(given.join(port.to_string())).is_ok();
        if free(port) && free(port + 10_000) && mine() {
            return port;
        }
    }
    panic!("no free port between 11000 and 21000");
}
