//! Scenarios of the engine: real memory store, native policies, an origin that stops when told.

#![expect(
    clippy::expect_used,
    reason = "a scenario that cannot go on has failed"
)]

mod answered;
mod aside;
mod breaker;
mod builder;
mod clocks;
mod cluster;
mod crowd;
mod deadlines;
mod encryption;
mod failures;
mod freshness;
mod ground;
mod heads;
#[macro_use]
mod scenarios;
mod behind;
mod kit;
mod limits;
mod neighbours;
mod older;
mod outbox;
mod patterns;
mod puts;
mod races;
mod rows;
mod rules;
mod single_flight;
mod store_down;
mod strategies;
mod stress;
mod typed;
mod variants;
mod write_hold;
