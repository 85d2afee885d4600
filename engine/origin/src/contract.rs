//! The suite that every origin passes: each clause is a test with a name. It fails by panicking, as
//! tests do.
//!
//! An origin's own tests call [`origin_contract!`](crate::origin_contract) in a module of their own.
#![allow(
    clippy::panic,
    reason = "a suite of tests reports a broken promise by panicking"
)]

mod batches;
mod classes;
mod kept;
mod poison;
mod subject;
mod values;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

#[cfg(test)]
pub(crate) use self::subject::queued;
pub use self::subject::{Alter, Altering, Keeps, Subject};

/// Makes a test of each clause. Given is a future of what has to live as long as the test, its
/// database say, and of the [`Subject`](crate::contract::Subject); it is awaited by each test.
///
/// Whoever uses it needs `tokio` with its macros.
#[macro_export]
macro_rules! origin_contract {
    (@each $what:ident [$($given:tt)*]) => {
        $crate::origin_contract! { @$what [$($given)*]
            values:
                absent_is_none,
                a_write_is_loaded,
                a_delete_is_final,
                awkward_ids_name_themselves,
                header_lines_are_kept_where_it_says_so,
                loads_run_together;
            batches:
                many_are_answered_in_their_places,
                the_same_batch_twice_does_no_harm;
            poison:
                a_poison_row_is_refused_alone,
                a_batch_of_poison_is_refused_row_by_row,
                a_refused_write_leaves_the_row_as_it_was,
                what_is_told_of_a_write_is_what_a_load_brings;
            classes:
                a_refusal_is_no_failure,
                a_value_is_written_as_it_was_read,
                a_field_is_that_field_alone,
                a_schema_that_no_longer_fits_is_said;
            kept:
                versions_grow_with_every_write,
                older_writes_are_not_taken,
                a_direct_write_changes_no_place,
                what_was_deleted_keeps_its_place,
                a_delete_of_nothing_takes_its_place;
        }
    };
    (@clauses [] $($module:ident: $($name:ident),+;)+) => {
        $($(
            #[doc(hidden)]
            pub fn $name(subject: &Subject) -> BoxFuture<'_, ()> {
                $module::$name(subject).boxed()
            }
        )+)+

        /// Checks every clause on one origin, one after the other.
        pub async fn all(subject: &Subject) {
            $($( $name(subject).await; )+)+
        }
    };
    (@tests [$place:expr] $($module:ident: $($name:ident),+;)+) => {
        $($(
            #[tokio::test]
            async fn $name() {
                let (_place, subject) = $place.await;
                $crate::contract::$name(&subject).await;
            }
        )+)+
    };
    ($place:expr) => {
        $crate::origin_contract! { @each tests [$place] }
    };
}

crate::origin_contract! { @each clauses [] }

/// Makes a module of tests for each table, each with every clause; the module around it has an
/// `async fn rows_of(table, keeps)`.
#[cfg(test)]
macro_rules! on_tables {
    ($($name:ident: $table:literal keeps $keeps:expr;)+) => {
        $(mod $name {
            use super::*;

            crate::origin_contract!(rows_of($table, $keeps));
        })+
    };
}
#[cfg(test)]
pub(crate) use on_tables;
