//! What an operator may set of the server.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::access::Token;

/// What an operator may set of the server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where the data plane listens. Default: `127.0.0.1:7117`.
    pub listen: SocketAddr,
    /// Where the admin plane listens; none leaves it out. Default: `127.0.0.1:7118`.
    pub admin: Option<SocketAddr>,
    /// Who may call; a plane without a token listens on loopback only. Default: none.
    pub tokens: Vec<Token>,
    /// How many requests of the data plane are worked on at a time, at least one; those above
    /// are answered 503 at once. Default: 1,024.
    pub max_in_flight: usize,
    /// The largest request body, in bytes. Default: 8 MiB.
    pub body_max_bytes: usize,
    /// How long a client may take to send the head of a request; shorter than the drain, which
    /// waits for such clients. Default: 5 s.
    pub header_timeout: Duration,
    /// How long a request may take from its head to its answer, its body included. Default: 60 s.
    pub request_timeout: Duration,
    /// How long requests that are under way may take to end after shutdown began. Default: 10 s.
    pub drain: Duration,
    /// How long the write-behind queue is flushed after the last request has ended; what is left
    /// waits for the next start. Default: 10 s.
    pub queue_drain: Duration,
    /// How long a cache in front that many ask may keep an answer, at most what is left of its ttl:
    /// invalidations do not reach it. Default: 0 s, which keeps such caches out.
    pub shared_max_age: Duration,
    /// Authenticates leases. Nodes that are to take each other's leases share it. Default: random
    /// at each start, which makes leases from before a restart void.
    pub lease_secret: Option<Vec<u8>>,
}

impl Default for Settings {
    fn default() -> Self {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            listen: loopback(7117),
            admin: Some(loopback(7118)),
            tokens: Vec::new(),
            max_in_flight: 1024,
            body_max_bytes: 8 << 20,
            header_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(60),
            drain: Duration::from_secs(10),
            queue_drain: Duration::from_secs(10),
            shared_max_age: Duration::ZERO,
            lease_secret: None,
        }
    }
}
