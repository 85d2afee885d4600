//! The engine: takes a request, asks the policy of its route what to do, passes the answer through
//! the operator's guard, and runs the caching pattern over a store and an origin. This is the
//! crate to embed. Running policies is left to `larder-wasm`, keeping entries to `larder-store`,
//! loading them to `larder-origin`, and HTTP to `larder-server`.
//!
//! | file | concept |
//! |---|---|
//! | [`engine`] | [`Engine`], the one handle, and [`builder`], which checks it before it runs |
//! | [`route`] | which policy and which origin answer for a resource |
//! | [`rules`] | what of an engine can change while it runs |
//! | [`decide`] | from a request to a guarded decision |
//! | [`fallback`] | what answers for a policy that failed |
//! | [`read`] | reads by strategy, stale serving and early refresh |
//! | [`aside`] | cache-aside: leases that an application fills |
//! | [`mod@write`] | writes and deletes by strategy |
//! | [`behind`] | write-behind: the queue, and the flush to the origins |
//! | [`outbox`] | rows of a database that say what its commits made stale |
//! | [`breaker`], [`limits`] | how origins are protected: the breaker and the caps |
//! | [`invalidate`] | purge and expire by row, key, tag, namespace and pattern |
//! | [`typed`] | values as the program's own types |
//! | [`vault`] | encryption of protected values, and its keys |
//! | [`error`] | how a call fails, with a stable code; `complaints` is what the log says of it |
//! | [`guide`] | what each pattern, invalidation and store promises |
//! | [`clock`] | the one place that reads the time |

pub mod aside;
mod backoff;
pub mod behind;
pub mod breaker;
pub mod builder;
pub mod clock;
mod codes;
mod complaints;
mod deadline;
pub mod decide;
pub mod engine;
pub mod error;
pub mod fallback;
mod flight;
mod gate;
pub mod guide;
pub mod invalidate;
mod joining;
mod lease;
pub mod limits;
mod load;
mod loader;
mod look;
mod meters;
pub mod outbox;
mod questions;
pub mod read;
mod retry;
pub mod route;
pub mod rules;
mod stale;
mod steps;
mod store_entry;
pub mod tuning;
pub mod typed;
mod unseen;
mod variant;
pub mod vault;
pub mod write;
mod write_hold;

pub use aside::{Filling, Lease};
pub use behind::{Drained, OnFull, QueueTuning, QueueView, Queued};
pub use breaker::BreakerConfig;
pub use builder::{BuildError, EngineBuilder};
pub use clock::{SteadyClock, SystemClock};
pub use decide::Decided;
pub use engine::{Engine, Status};
pub use error::{Error, Rest};
pub use fallback::{DefaultDecision, Fallback, OnFailure};
pub use invalidate::{Findings, Invalidated, Invalidation, RowFound};
pub use larder_core as core;
pub use larder_core::{Operation, Request, Value};
pub use larder_origin as origin;
pub use larder_store as store;
#[cfg(feature = "wasm")]
pub use larder_wasm as wasm;
pub use limits::OriginLimits;
pub use outbox::{OutboxStatus, OutboxTuning};
pub use read::Reading;
pub use route::{Older, Route, Undeclared};
pub use rules::Rules;
pub use tuning::Tuning;
pub use typed::{Codec, CodecError, Json, Typed, TypedReading};
pub use unseen::Unseen;
pub use vault::{KeyRing, KeyRingError, Vault};
pub use write::Writing;
