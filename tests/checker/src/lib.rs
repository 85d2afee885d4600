//! Checks the promise under load: random reads, writes and invalidations on several engines over
//! one store, while the network between them is cut, delayed and swallowed, or while masters are
//! killed and replaced. Judging is left to [`truth`], which knows what the origin has committed;
//! the engine under test is a [`subject`], and so is plain cache-aside as it is commonly written,
//! in which the same run finds violations.
//!
//! What is promised, and counted as a violation otherwise:
//!
//! - **stale**: on the engine that invalidated, a read that begins after the reply answers the
//!   version that was written before that invalidation, or a newer one. After `expire` this holds
//!   for what is answered as fresh.
//! - **late**: on every other engine the same, no later than two seconds after the reply.
//! - **never written**: every value is one that the origin has committed for this key.
//! - **foreign**: no value of another key or tenant.
//! - **backwards, late**: no client reads an older version than one it read four seconds ago or
//!   longer: two for the change to be told, two for the read itself. Sooner, that is possible on a
//!   node that has not heard of the change yet, and counted apart.
//!
//! An invalidation that was answered by an error promises nothing.
//!
//! Redis replicates after it has answered. A master that dies may take invalidations with it
//! that were acknowledged, and nobody can know of them; the entry's ttl is the bound. So what is
//! stale or late after a failover is counted apart, and is a violation once it is older than an
//! entry is kept. Cuts, black holes and pauses that end before a replica takes over excuse nothing.
//!
//! | file | concept |
//! |---|---|
//! | `run` | clients, and the counting of what they see |
//! | `truth` | the origin, and the judge of every read |
//! | `settled` | when which version had been invalidated |
//! | `backwards` | whether one client sees a key go back |
//! | `subject` | what is checked |
//! | `ground` | servers, and a store for each engine |
//! | `servers` | what can be done to servers |
//! | `faults` | the seam to what goes wrong |
//! | `network` | cuts, black holes, delays and pauses, through a `proxy` |
//! | `failovers` | masters that are killed and replaced |
//! | `patience` | waiting for what has to come |
//! | `report`, `histogram` | what was seen |
//! | `tags` | what invalidating a tag costs, by how many entries carry it |
//!
//! `cargo run --release -p larder-checker -- --help` has the long runs. How many operations a run
//! has does not change the memory that it needs.

pub mod backwards;
pub mod failovers;
pub mod faults;
pub mod ground;
pub mod histogram;
pub mod network;
mod patience;
pub mod proxy;
pub mod report;
pub mod run;
pub mod servers;
mod settled;
pub mod subject;
pub mod tags;
pub mod truth;
