//! The host with real guests: policies that behave, and policies that do all they can against it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on ends"
)]

mod decide;
mod guest;
mod hostile;
mod lasting;
#[cfg(unix)]
mod links;
mod loading;
mod reload;
