//! The truth of others: where values live that Larder caches. The [`Origin`] trait says what an
//! origin promises, [`PostgresOrigin`], [`SqliteOrigin`] and [`HttpOrigin`] keep the promise, and the `contract`
//! suite checks it. An [`Outbox`] tells what others change there. When to load, and what becomes of
//! the answer, is left to `larder`.

mod answered;
mod class;
#[cfg(any(test, feature = "contract"))]
pub mod contract;
mod fields;
mod http;
mod meaning;
mod open;
mod origin;
pub mod outbox;
mod postgres;
mod sees;
mod sqlite;
#[cfg(any(test, feature = "contract"))]
pub mod testing;
mod whole;

pub use answered::{Answered, RETRY_AFTER_MAX_S};
pub use class::Class;
pub use http::{HttpConfig, HttpOrigin};
pub use meaning::PutMeaning;
pub use open::OpenError;
pub use origin::{Change, Fetched, HeaderFate, Origin, OriginError, Wanted, Written};
pub use outbox::Outbox;
pub use postgres::{PostgresConfig, PostgresOrigin, PostgresOutbox};
pub use sees::{service_sees, table_sees};
pub use sqlite::{SqliteConfig, SqliteOrigin, SqliteOutbox};
