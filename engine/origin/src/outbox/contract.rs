//! The suite that every outbox passes: each clause is a test with a name. It fails by panicking, as
//! tests do.
//!
//! An outbox's own tests call [`outbox_contract!`](crate::outbox_contract) in a module of their own.
#![allow(
    clippy::panic,
    clippy::expect_used,
    reason = "a suite of tests reports a broken promise by panicking"
)]

mod clauses;

pub use self::clauses::ODD_IDS;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::Outbox;

/// A database with an empty table `larder_outbox`.
pub trait Database: Send + Sync {
    /// Runs statements, on a connection of its own, to the end.
    fn run<'a>(&'a self, sql: &'a str) -> BoxFuture<'a, ()>;
}

/// Makes a test of each clause. Given is a future of a database and of its outbox, to which nobody
/// else may write; it is awaited by each test.
///
/// Whoever uses it needs `tokio` with its macros.
#[macro_export]
macro_rules! outbox_contract {
    (@each $what:ident [$($given:tt)*]) => {
        $crate::outbox_contract! { @$what [$($given)*]
            clauses:
                an_empty_table_has_nothing,
                rows_come_as_they_were_written,
                a_row_is_named_by_its_resource_and_its_id,
                rows_come_once_and_in_order,
                what_is_rolled_back_never_comes,
                only_what_is_before_is_removed,
                a_place_that_is_gone_is_said_so;
        }
    };
    (@checks [] $module:ident: $($name:ident),+;) => {
        $(
            #[doc(hidden)]
            pub fn $name<'a>(
                database: &'a dyn Database,
                outbox: &'a dyn Outbox,
            ) -> BoxFuture<'a, ()> {
                $module::$name(database, outbox).boxed()
            }
        )+
    };
    (@tests [$place:expr] $module:ident: $($name:ident),+;) => {
        $(
            #[tokio::test]
            async fn $name() {
                let (database, outbox) = $place.await;
                $crate::outbox::contract::$name(&database, &outbox).await;
            }
        )+
    };
    ($place:expr) => {
        $crate::outbox_contract! { @each tests [$place] }
    };
}

crate::outbox_contract! { @each checks [] }
