//! An exhaustive model of Larder's coherence protocol: that an invalidation is never undone by an
//! older load, checked in every state that bounded numbers of nodes, loads, reads and writes can
//! reach, and the proof that the check notices when a rule is left out. It holds no code of the
//! engine: that the engine does what the model says is left to the tests beside the stores and
//! the runtime.
//!
//! ```sh
//! cargo test -p larder-model -- --nocapture            # about a minute, prints both tables
//! cargo test -p larder-model -- --nocapture --ignored  # larger scopes: minutes, gigabytes
//! ```
//!
//! # The protocol
//!
//! Nodes share one store and an origin. There is one key, whose entry carries one tag; the value
//! is the number of writes that the origin had committed when it was read.
//!
//! | rule | here | in the engine |
//! |---|---|---|
//! | a load reads the tag's version, takes the lease, asks the origin, then fills; the entry carries the version read first | `model.rs` | `engine/runtime/src/load.rs` |
//! | a fill stores only while its token holds, compared and stored in one step; a lease is ended by its own token alone | `store.rs` | `engine/store/src/memory.rs`, `memory/leases.rs`, `memory/hold.rs`; `redis/lua/fill.lua`, `release.lua` |
//! | invalidating the key removes the entry and voids lease and fills in one step | `store.rs` | likewise; `redis/lua/invalidate.lua` |
//! | invalidating the tag gives it a version that it never had | `store.rs` | `engine/store/src/memory/versions.rs`; `redis/lua/bump.lua` |
//! | an entry is valid only under the present version of its tag | `node.rs` | `engine/store/src/memory/slot.rs`, `judge.rs` |
//! | a write claims the key: leases are void, no load fills, of writes that overlap none does; a refused fill becomes an invalidation | `write.rs`, `store.rs` | `engine/runtime/src/write.rs`, `engine/store/src/memory/hold.rs` |
//! | a read notes its node's generations before it asks the store, and inserts into the first level only if they are unchanged | `node.rs` | `engine/store/src/tiered/near.rs`, `stamps.rs` |
//! | a push bumps generations and removes the copy; a node's own write does so itself before it replies | `node.rs` | `engine/store/src/tiered/near.rs`, `far.rs` |
//! | a cut that is noticed begins an epoch and empties the first level, which rests until the link is back; a read begun without a link inserts nothing | `node.rs` | `engine/store/src/tiered/near.rs`, `life.rs`, `tracking.rs` |
//!
//! Entry and tag version are read in two steps, the copies of both are kept and dropped each by
//! itself, and the fill compares no versions: where stores differ the model is the
//! weaker. So it is where the tiered store never serves a copy again once its tag has changed: here
//! the copy stays, and is a hit when the tag's version is read again and is its own.
//!
//! # The promises
//!
//! [`properties`] checks in every state that a read that begins there is answered nothing older
//! than what was invalidated: on the node that invalidated from its reply on, on any other from
//! the push or the noticed cut on, by the shared store from the moment that it has followed
//! (which is before the reply); and that nobody's lease is ended by another load. Each scope must
//! also reach a hit in the first level, a fill that is refused and a stored value that is served.
//!
//! # What stands for what
//!
//! - Loads, reads, evictions, leases that run out and link cuts are unbounded in number and
//!   bounded at once; writes are counted ([`scope`]). A loader that dies frees its place and
//!   leaves its lease; a node that crashes in a write takes no further step.
//! - A generation is kept as what it is compared for: whether it changed since a read noted it.
//! - Pushes of changes that make nothing stale (a fill, the beginning of a write) are left out:
//!   they evict copies and keep reads from inserting, which happens at any moment anyway.
//! - A load is granted the lease though an entry is there, as a refresh is. Loads that share one,
//!   joining in the process (`engine/runtime/src/flight.rs`) and leases that are extended are
//!   left out.
//! - Interchangeable loads and reads are ordered, and entries under a past version count as none,
//!   since versions only grow (`canon.rs`). Mutants, and the scope named "nothing forgotten", do
//!   without the latter.
//! - Reads and first levels change nothing that another node sees, so one node next to writes
//!   "elsewhere" stands for each of any number; a scope with two says the same.
//! - Time is left out: ttls, stale windows, and the bound within which a cut is noticed. So are
//!   soft invalidation, patterns, several keys in one write, and a store that loses what it had.
//! - States are told apart by 64-bit fingerprints, as the checker does.

pub mod action;
mod canon;
pub mod model;
pub mod mutant;
mod node;
pub mod promise;
pub mod properties;
pub mod scope;
pub mod state;
mod store;
pub mod write;
