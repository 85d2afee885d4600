//! Proves that acknowledged write-behind writes are not lost: clients write through `larder serve`
//! while the engine, Redis and PostgreSQL are killed (`kill -9`) at random moments. In the end all
//! of it is healed, the queue has to become empty, and what clients were told is compared with what
//! PostgreSQL holds and with every effect that it ever committed, which a trigger has noted.
//!
//! What is counted as damage is in [`audit`]. A write that is not answered is sent again under the
//! same operation id until it is, or given up together with its key; some keys are written only
//! once, so that no later write can hide that one was lost.
//!
//! `kill -9` ends processes and not machines: what the system has been given to write is written.
//! What a power cut takes away depends on fsync, which is on everywhere here but cannot be tested
//! this way.
//!
//! `cargo run --release -p larder-durability -- --help` has the long runs.

#[path = "../../blackbox/guests.rs"]
#[allow(
    dead_code,
    clippy::panic,
    clippy::unwrap_used,
    reason = "shared with the black-box tests, where a panic is the failure"
)]
mod guests;
#[path = "../../blackbox/workspace.rs"]
#[allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "shared with the black-box tests, where a panic is the failure"
)]
mod workspace;

pub mod ask;
pub mod audit;
pub mod engine;
pub mod ledger;
pub mod load;
pub mod run;
mod story;
pub mod table;
pub mod verdict;
pub mod victim;

/// The module of a policy that ships, built where it has to be.
#[must_use]
pub fn policy(name: &str) -> Vec<u8> {
    guests::shipped(name)
}
