//! The truth of others: where values live that Larder caches. The [`Origin`] trait says what an
//! origin promises, [`PostgresOrigin`], [`SqliteOrigin`] and [`HttpOrigin`] keep the promise, and the `contract`
//! suite checks it. When to load, and what becomes of the answer, is left to `larder`.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod http;
mod open;
mod origin;
mod postgres;
mod sqlite;
#[cfg(any(test, feature = "contract"))]
pub mod testing;

pub use http::{HttpConfig, HttpOrigin};
pub use open::OpenError;
pub use origin::{Change, Fetched, Origin, OriginError, Wanted, Written};
pub use postgres::{PostgresConfig, PostgresOrigin};
pub use sqlite::{SqliteConfig, SqliteOrigin};
