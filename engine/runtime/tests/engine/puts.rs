//! A write means the same whatever the strategy: what it means when the origin is asked itself.

mod faucet;
mod meaning;
mod place;
mod queued;
