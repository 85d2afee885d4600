//! The processes beside a test: servers that end with it, and servers that a whole run shares.
//!
//! | file | concept |
//! |---|---|
//! | `run` | the run of tests that this process belongs to, and its folder |
//! | `once` | what is started once for a run |
//! | `process` | a process that ends with the one that started it |
//! | `guard` | ends what a process started, however that process ends |
//! | `port` | ports that nobody else is given |
//!
//! Processes share servers through the folder that `LARDER_TEST_SERVERS` names, as `tests/run` sets
//! it: its file `pid` holds the id of the process whose end is that of the run. Under nextest they
//! do so without it. In any other run each process has servers of its own.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "for tests, where a panic is the failure"
)]

mod guard;
mod once;
mod port;
mod process;
mod run;
#[cfg(test)]
mod tests;

pub use once::Once;
pub use port::free_port;
pub use process::Process;
pub use run::folder;
