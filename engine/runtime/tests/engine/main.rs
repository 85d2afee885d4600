//! Scenarios of the engine: real memory store, native policies, an origin that stops when told.

mod aside;
mod builder;
mod failures;
mod freshness;
mod kit;
mod races;
mod single_flight;
mod strategies;
mod stress;
