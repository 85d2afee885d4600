//! What Larder itself keeps: entries, the leases to fill them, and the versions of tags and
//! namespaces. The [`Store`] trait says what a store promises. Which entries are made and how long
//! they may be served is decided elsewhere; loading values is left to `larder-origin`.

mod store;

pub use store::{
    Answer, Filled, Found, LeaseRequest, Leased, Store, StoreError, Summary, Token, ready,
};
