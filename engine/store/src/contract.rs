//! What every [`Store`] must pass: each clause of the trait is a test with a name.
//!
//! A store's own tests call [`store_contract!`](crate::store_contract) in a module of their own.

mod ends;
mod invalidation;
mod leases;
mod stress;
pub(crate) mod subject;
mod writes;

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use self::subject::Subject;
use crate::store::Store;

/// How many steps each writer of the stress test takes in a store in memory.
pub const ROUNDS: u32 = 20_000;

/// Makes a test of each clause. Given is a future of an empty store, which is awaited by each test,
/// and how many steps each writer of the stress test takes:
/// [`ROUNDS`](crate::contract::ROUNDS) where a step costs no round trip.
///
/// Whoever uses it needs `tokio` with its macros and its runtime of several threads, or else the
/// stress test has nothing to find.
#[macro_export]
macro_rules! store_contract {
    (@each $what:ident [$($given:tt)*]) => {
        $crate::store_contract! { @$what [$($given)*]
            ends:
                an_entry_comes_back_whole,
                what_was_said_of_an_absence_comes_back_whole,
                nothing_is_answered_at_or_after_its_end,
                an_end_that_no_clock_reaches_is_an_end,
                an_entry_that_nobody_reads_idles_away,
                a_collision_of_keys_is_a_miss,
                what_cannot_fit_is_refused_and_the_lease_given_up,
                a_sweep_counts_what_it_drops_and_leaves_the_rest,
                a_sweep_wakes_those_who_wait_for_a_lease_that_ran_out;
            invalidation:
                a_load_from_before_an_invalidation_is_never_served,
                a_load_from_after_an_invalidation_is_served,
                a_purge_removes_the_entry,
                an_expiry_starts_the_stale_windows,
                a_later_expiry_does_not_begin_the_stale_windows_anew,
                an_expiry_brings_nothing_back_that_had_ended,
                an_entry_is_stale_since_the_first_expiry_after_its_load,
                of_many_expiries_the_first_counts_and_none_later,
                an_expiry_removes_what_has_no_stale_windows,
                an_expiry_never_lengthens,
                an_invalidation_leaves_the_others_alone,
                an_invalidation_says_whether_there_was_an_entry,
                versions_change_by_bumps_and_by_nothing_else,
                an_invalidation_wakes_those_who_wait,
                a_ban_reaches_what_it_matches_and_nothing_else,
                a_ban_is_over_when_all_was_looked_at;
            leases:
                a_lease_is_granted_to_one,
                a_released_lease_is_granted_anew,
                a_lease_that_ran_out_fills_nothing,
                a_filled_lease_is_over,
                a_voided_fill_ends_its_lease,
                an_unknown_token_changes_nothing,
                a_shared_lease_is_filled_by_the_first,
                a_share_given_up_leaves_the_lease_to_the_others,
                who_saw_another_entry_is_shown_the_new_one,
                a_lease_holds_until_something_happened,
                a_lease_lasts_as_long_as_it_is_extended,
                a_change_before_the_first_poll_is_not_missed;
            writes:
                a_write_removes_the_entry_and_excludes_other_fills,
                a_released_write_opens_the_key,
                a_write_that_ran_out_opens_the_key,
                of_overlapping_writes_none_fills,
                an_invalidated_write_goes_on_without_its_fill,
                a_bump_voids_the_fill_of_a_write,
                a_tombstone_is_an_entry,
                the_witness_of_a_write_changes_with_every_event,
                a_noted_write_is_known_by_its_names_and_changes_nothing,
                the_last_of_several_noted_writes_counts;
            stress:
                nobody_sees_an_older_load_after_an_invalidation;
        }
    };
    (@clauses [] $($module:ident: $($name:ident),+;)+) => {
        $($(
            #[doc(hidden)]
            pub fn $name(store: Arc<dyn Store>, rounds: u32) -> BoxFuture<'static, ()> {
                $module::$name(Subject::new(store, rounds)).boxed()
            }
        )+)+
    };
    (@tests [$store:expr, $rounds:expr] $($module:ident: $($name:ident),+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let store = $store.await;
                $crate::contract::$name(store, $rounds).await;
            }
        )+)+
    };
    ($store:expr, rounds: $rounds:expr) => {
        $crate::store_contract! { @each tests [$store, $rounds] }
    };
}

crate::store_contract! { @each clauses [] }
