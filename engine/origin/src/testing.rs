//! Databases for tests: a [`SqliteFile`], and a real PostgreSQL, on a free loopback port and in a
//! temporary folder: a [`Database`] of its own for each test on a server that all tests of a run
//! share, or a server of its own for whoever kills it, stops it, changes its settings or its users.
//! It needs the server's programs in the path or below `/usr/lib/postgresql`.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "for tests, where a panic is the failure"
)]

mod certificate;
mod client;
mod database;
mod folder;
mod pooler;
mod program;
mod server;
mod sqlite;

pub use database::Database;
pub use pooler::Pooler;
pub use server::{Durability, Postgres};
pub use sqlite::SqliteFile;
