//! The truth of others: where values live that Larder caches. The [`Origin`] trait says what an
//! origin promises. When to load, and what becomes of the answer, is left to `larder`.

mod origin;

pub use origin::{Fetched, Origin, OriginError, Wanted, Written};
