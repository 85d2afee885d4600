//! What every [`Queue`] must pass: each promise of the trait is a test with a name.
//!
//! A queue's own tests call [`queue_contract!`](crate::queue_contract) in a module of their own.

mod dead;
mod flusher;
mod order;
mod room;
pub(crate) mod subject;
mod taken;
mod visible;
mod waking;
mod walk;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

pub use self::subject::Room;
use self::subject::Subject;
use super::{Queue, Row};

/// Where the changes of one queue are kept, whatever becomes of the processes that use it.
pub trait Place: Send + Sync {
    /// Opens the queue that is kept here, as the next process does after a crash: the check has
    /// dropped the one from before, which knew of no more than it had been told.
    fn open(&self, room: Room) -> BoxFuture<'_, Arc<dyn Queue>>;

    /// Damages what is kept of a change that waits, while no queue is open, so that it cannot be
    /// read, but its row be told.
    fn spoil<'a>(&'a self, row: &'a Row, sequence: u64) -> BoxFuture<'a, ()>;
}

/// Makes a test of each promise. Given is a future of an empty
/// [`Place`](crate::queue::contract::Place), which is awaited by each test.
///
/// Whoever uses it needs `tokio` with its macros and its runtime of several threads.
#[macro_export]
macro_rules! queue_contract {
    (@each $what:ident [$($given:tt)*]) => {
        $crate::queue_contract! { @$what [$($given)*]
            taken:
                what_was_taken_comes_back_whole_after_a_crash,
                an_operation_is_taken_once,
                an_operation_that_is_repeated_at_the_same_time_is_taken_once,
                an_operation_of_another_row_is_another,
                a_name_belongs_to_one_request;
            order:
                a_partition_is_answered_in_order,
                numbers_grow_over_restarts,
                numbers_grow_when_the_clock_goes_back,
                changes_of_many_writers_keep_their_order;
            visible:
                a_change_is_visible_until_it_is_flushed,
                the_newest_change_is_visible_whatever_is_flushed_before,
                all_changes_of_a_row_are_visible_in_order,
                rows_that_differ_in_one_part_are_different,
                what_was_flushed_is_gone_after_a_crash;
            flusher:
                a_partition_has_one_flusher,
                a_claim_lasts_as_long_as_it_is_extended,
                a_claim_that_was_let_go_is_granted_at_once,
                what_a_stale_claim_tells_changes_nothing,
                a_claim_reaches_its_own_partition_only,
                a_claim_does_not_outlive_its_end_after_a_crash;
            dead:
                a_dead_letter_parks_its_row,
                other_rows_flow,
                a_row_stays_parked_after_a_crash,
                a_dead_letter_stays_visible_and_counts,
                retry_puts_a_row_back_in_order,
                retry_of_all_puts_every_row_back,
                forgetting_the_last_letter_opens_the_row,
                letters_are_answered_in_pages,
                only_dead_letters_are_retried_and_forgotten,
                what_cannot_be_read_dies_and_only_its_row_waits;
            room:
                beyond_its_count_nothing_is_taken,
                beyond_its_bytes_nothing_is_taken,
                a_full_queue_still_knows_what_it_took,
                depth_counts_what_waits;
            waking:
                a_change_wakes_its_flusher,
                a_retry_wakes_the_flusher,
                what_happens_to_a_row_wakes_those_who_wait_for_it;
            walk:
                any_walk_ends_where_the_model_does;
        }
    };
    (@promises [] $($module:ident: $($name:ident),+;)+) => {
        $($(
            #[doc(hidden)]
            pub fn $name(place: Arc<dyn Place>) -> BoxFuture<'static, ()> {
                async move { $module::$name(Subject::open(place).await).await }.boxed()
            }
        )+)+
    };
    (@tests [$place:expr] $($module:ident: $($name:ident),+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let place = $place.await;
                $crate::queue::contract::$name(place).await;
            }
        )+)+
    };
    ($place:expr) => {
        $crate::queue_contract! { @each tests [$place] }
    };
}

crate::queue_contract! { @each promises [] }
