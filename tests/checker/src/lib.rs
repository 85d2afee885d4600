//! Checks the promise under load: random reads, writes and invalidations on several engines over
//! one store, while the network between them is cut, delayed and swallowed. Judging is left to
//! [`truth`], which knows what the origin has committed; the engine under test is a [`subject`],
//! and so is plain cache-aside as it is commonly written, in which the same run finds violations.
//!
//! What is promised, and counted as a violation otherwise:
//!
//! - **stale**: on the engine that invalidated, a read that begins after the reply answers the
//!   version that was written before that invalidation, or a newer one. After `expire` this holds
//!   for what is answered as fresh.
//! - **late**: on every other engine the same, no later than two seconds after the reply.
//! - **never written**: every value is one that the origin has committed for this key.
//! - **foreign**: no value of another key or tenant.
//!
//! An invalidation that was answered by an error promises nothing. Reads of one client that go
//! back to an older version are possible on a node that has not heard of the change yet; they are
//! counted apart.
//!
//! `cargo run --release -p larder-checker -- --help` has the long runs.

pub mod proxy;
pub mod report;
pub mod run;
pub mod subject;
pub mod truth;
