//! Larder from the outside: a whole server over real sockets, the `larder` program as a process,
//! and the fences between the crates. What a single crate promises is tested beside it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

mod client;
mod clock;
mod guests;
mod running;
mod shop;
mod workspace;

// Hostile guests and a service that misbehaves are those of the crates' own tests.
#[path = "../../engine/wasm/tests/it/guest.rs"]
#[allow(dead_code, reason = "not every part of a guest is attacked from here")]
mod guest;
#[path = "../../engine/origin/src/http/tests/server.rs"]
#[allow(dead_code, reason = "its log of connections is not looked at here")]
mod service;

mod access;
mod admin;
mod alone;
mod aside;
mod bad_answer;
mod bad_input;
mod bad_origin;
mod connections;
mod deadline;
mod drain;
mod errors;
mod fences;
mod framing;
mod handed_on;
mod hostile;
mod http_client;
mod impossible;
mod in_front;
mod invalidate;
mod lasting;
mod line;
mod metrics;
mod one_flavour;
mod operating;
mod origin_away;
mod outage;
mod outbox;
mod overload;
mod program;
mod queued;
mod quickstart;
mod race;
mod redis_clock;
mod reload;
mod replay;
mod says;
mod schema;
mod serving;
mod tenants;
mod tokens;
mod words;
mod written;
