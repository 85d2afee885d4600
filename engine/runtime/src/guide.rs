//! What is promised, page by page. Every pattern and every invalidation is named as its test is:
//! `tests/engine/patterns.rs` runs each of them on memory, on Redis, on memory in front of Redis
//! and on both over a Cluster, and `tests/engine/races.rs` the races on the same stores.

#[doc = include_str!("../guide/patterns.md")]
pub mod patterns {}

#[doc = include_str!("../guide/invalidation.md")]
pub mod invalidation {}

#[doc = include_str!("../guide/stores.md")]
pub mod stores {}
