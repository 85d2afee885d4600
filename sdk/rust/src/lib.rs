//! Write cache policies for Larder in Rust: the types of
//! the contract, the [`Policy`] trait, and [`register!`], which turns a type into a WebAssembly
//! module. Storing, loading and invalidating are the engine's; a policy only decides.
//!
//! A complete policy:
//!
//! ```
//! use larder_sdk::prelude::*;
//!
//! struct Catalogue;
//!
//! impl Policy for Catalogue {
//!     type Settings = NoSettings;
//!     fn manifest() -> Manifest {
//!         Manifest::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).reads("query.page")
//!     }
//!     fn new(_: NoSettings) -> Result<Self, Error> {
//!         Ok(Self)
//!     }
//!     fn decide(&self, request: &Request) -> Result<Decision, Error> {
//!         let page = request.attribute("query.page").unwrap_or("1");
//!         Ok(Decision::read_through(key([&request.resource, &request.id, page]))
//!             .ttl(hours(1)).jitter(10).tag(&request.resource))
//!     }
//! }
//! register!(Catalogue);
//!
//! let decision = Catalogue.decide(&Request::read("product", "42")).unwrap();
//! assert_eq!(decision.key, "product:42:1");
//! ```
//!
//! In a crate of its own, `Cargo.toml` says `crate-type = ["cdylib", "rlib"]`, and
//! `cargo build --target wasm32-unknown-unknown --release` makes the module. The same `decide`
//! runs natively under `cargo test`, as the last lines above do.
//!
//! A policy has no clock, no randomness and no I/O. It sees the inputs that its [`Manifest`]
//! declares, and must answer the same to the same inputs. The origin is shown the same inputs, so
//! a key made of all of them never mixes up two values.

mod admission;
mod decision;
pub mod duration;
mod error;
mod freshness;
mod key;
mod manifest;
mod policy;
mod register;
mod request;
mod settings;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
#[cfg(target_arch = "wasm32")]
mod panic;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use admission::{Admission, LoadStatus, Loaded};
pub use decision::{Decision, Loading, Placement, Stampede, Strategy, Target};
pub use error::Error;
pub use freshness::Freshness;
pub use key::key;
pub use manifest::Manifest;
pub use policy::Policy;
pub use request::{Operation, Request};
pub use settings::{NoSettings, parse_settings};

/// What nearly every policy needs.
pub mod prelude {
    pub use std::time::Duration;

    pub use crate::duration::{days, hours, millis, minutes, seconds};
    pub use crate::{
        Admission, Decision, Error, Freshness, LoadStatus, Loaded, Manifest, NoSettings, Operation,
        Placement, Policy, Request, Stampede, Strategy, Target, key, register,
    };
}
