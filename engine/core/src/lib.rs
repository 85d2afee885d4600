//! Vocabulary and rules of Larder: requests, decisions, keys, freshness, the operator's guard,
//! entries and the verb by strategy table, as plain data and pure functions. Time and random
//! numbers come in as arguments; there is no I/O, no clock and no async runtime here. Running
//! policies is left to `larder-wasm`, keeping entries to `larder-store`, loading them to
//! `larder-origin`, and acting on decisions to `larder`.
//!
//! | file | concept |
//! |---|---|
//! | [`request`] | what is asked: operation, tenant, resource, id, attributes |
//! | [`query`] | the query as it was sent, and what of it a decision does not say |
//! | [`beside`] | what else an application that loads may heed: context and credentials |
//! | [`vary`] | by which request headers a response varies |
//! | [`decision`] | what a policy answers before, and [`admission`] after a load |
//! | [`policy`] | the seam to policies, and how they fail |
//! | [`guard`] | the operator's limits on decisions, every clamp reported |
//! | [`key`] | logical keys that no user text can forge |
//! | [`dependency`] | tags and namespaces, and the versions that make them stale |
//! | [`expiries`] | when a dependency was expired, so that only the first after a load counts |
//! | [`freshness`] | how long an entry may be served, jitter, early refresh |
//! | [`pattern`] | globs over the keys of one namespace |
//! | [`entry`] | a value with all that is needed to judge it later |
//! | [`head`] | the status and the header lines that a value carries |
//! | [`plan`] | verb by strategy: what runs |
//! | [`outcome`] | what came of a read, and why something was not stored |
//! | [`hex`] | digests as text |
//! | [`repeats`] | what keeps happening is said once in a while |
//! | [`time`] | timestamps and the clock seam |

pub mod admission;
pub mod beside;
pub mod decision;
pub mod dependency;
pub mod entry;
pub mod expiries;
pub mod freshness;
pub mod guard;
pub mod head;
pub mod hex;
pub mod key;
pub mod outcome;
pub mod pattern;
pub mod plan;
pub mod policy;
pub mod query;
pub mod repeats;
pub mod request;
pub mod time;
pub mod vary;

pub use admission::{Admission, LoadStatus, Loaded};
pub use decision::{Decision, Freshness, Loading, Placement, Stampede, Strategy, Target};
pub use dependency::{Dependency, Version};
pub use entry::{Entry, Value};
pub use expiries::Expiries;
pub use guard::{Clamp, Guard, Refusal};
pub use head::{Head, HeadError};
pub use hex::Hex;
pub use key::Key;
pub use outcome::{NotStored, Outcome};
pub use pattern::{Pattern, PatternError};
pub use plan::{Plan, ReadPlan, WritePlan};
pub use policy::{Identity, Manifest, Policies, Policy, PolicyFailure};
pub use query::Unsaid;
pub use repeats::{Repeats, Said};
pub use request::{Operation, Request, RequestError};
pub use time::{Clock, Timestamp};
