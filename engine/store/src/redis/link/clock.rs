//! The clock that all who share a Redis agree on: the server's own.

use std::sync::atomic::{AtomicI64, Ordering};

use larder_core::{Clock, Timestamp};
use parking_lot::Mutex;
use redis::{FromRedisValue, Value};

use super::endpoint::Address;
use crate::clock::{SteadyClock, SystemClock};

/// What the clocks of this machine and of the server may differ by before it is worth a word, in
/// milliseconds.
const WORTH_A_WORD_MS: i64 = 1_000;

/// The server's time, from what it told last and what has passed here since on a clock that nobody
/// sets. Before it was asked, the wall clock as it was when the process began.
///
/// Of the masters of a Cluster, the one with the smallest address tells the time, so that all
/// nodes ask the same.
pub(crate) struct ServerClock {
    /// How much is added to this machine's steady clock, in milliseconds.
    ahead: AtomicI64,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    /// Who tells the time.
    by: Option<Address>,
    /// Whether it was told at all.
    known: bool,
    /// By how much this machine's wall clock was off when that was last worth a word, 0 where it
    /// was not.
    said: i64,
}

/// What a server said the time was, and when it was asked and had answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    asked: Timestamp,
    answered: Timestamp,
    server: Timestamp,
}

impl Reading {
    /// From the answer to TIME; none where that is not one, since a user may not be allowed to ask.
    pub(super) fn of(asked: Timestamp, answer: Value) -> Option<Self> {
        let (seconds, micros) = <(String, String)>::from_redis_value(answer).ok()?;
        let (seconds, micros) = (seconds.parse::<u64>().ok()?, micros.parse::<u64>().ok()?);
        Some(Self {
            asked,
            answered: SteadyClock.now(),
            server: Timestamp(seconds.checked_mul(1_000)?.checked_add(micros / 1_000)?),
        })
    }

    /// How much has to be added to this machine's clock: what was added so far, moved no further
    /// than the answer demands. How long it was under way is no reason to move.
    fn ahead(self, before: Option<i64>) -> i64 {
        let less = |at: Timestamp| {
            self.server
                .0
                .cast_signed()
                .saturating_sub(at.0.cast_signed())
        };
        let (least, most) = (less(self.answered), less(self.asked));
        let (least, most) = (least.min(most), most.max(least));
        match before {
            Some(before) => before.clamp(least, most),
            None => least + (most - least) / 2,
        }
    }
}

impl Default for ServerClock {
    fn default() -> Self {
        let ahead = AtomicI64::new(0);
        let told = Mutex::default();
        Self { ahead, told }
    }
}

impl Clock for ServerClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead.load(Ordering::Relaxed);
        Timestamp(SteadyClock.now().0.saturating_add_signed(ahead))
    }
}

impl ServerClock {
    /// To be called when the masters may have changed.
    pub(super) fn among(&self, masters: &[Address]) {
        if let Some(first) = masters.iter().min() {
            self.told.lock().by = Some(first.clone());
        }
    }

    /// Takes what the server at `address` told.
    pub(super) fn note(&self, address: &Address, reading: Reading) {
        let mut told = self.told.lock();
        if told.by.as_ref().is_some_and(|by| by != address) {
            return;
        }
        let before = told.known.then(|| self.ahead.load(Ordering::Relaxed));
        let ahead = reading.ahead(before);
        self.ahead.store(ahead, Ordering::Relaxed);
        told.known = true;
        if let Some(moved) = before.map(|before| ahead - before)
            && moved.abs() >= WORTH_A_WORD_MS
        {
            tracing::warn!(redis = %address, moved_ms = moved, "{JUMPED}");
        }
        told.compare(address, self.now(), SystemClock.now());
    }
}

const JUMPED: &str = "the clock of redis has moved against this machine's: what is stored ends \
    earlier by so much or, where it was set back, later; keep it in step with NTP, and purge what \
    must not live longer";

impl Told {
    /// Says once when this machine's wall clock is off, and once when it is right again.
    fn compare(&mut self, address: &Address, server: Timestamp, wall: Timestamp) {
        let off = wall.0.cast_signed().saturating_sub(server.0.cast_signed());
        let (was, is) = (self.said != 0, off.abs() >= WORTH_A_WORD_MS);
        if is && (off - self.said).abs() >= WORTH_A_WORD_MS {
            self.said = off;
            tracing::warn!(
                redis = %address, off_ms = off,
                "the wall clock of this machine differs from that of redis, which counts for all \
                 entries and for queues that nodes share; what policies are told of the time goes \
                 by this machine's: set it with NTP"
            );
        } else if was && !is {
            self.said = 0;
            tracing::info!(redis = %address, "the wall clocks of this machine and of redis agree again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(asked: u64, answered: u64, server: u64) -> Reading {
        let [asked, answered, server] = [asked, answered, server].map(Timestamp);
        Reading {
            asked,
            answered,
            server,
        }
    }

    fn address(port: u16) -> Address {
        let host = "redis".to_owned();
        Address { host, port }
    }

    #[test]
    fn what_is_added_moves_no_further_than_an_answer_demands() {
        for (before, (asked, answered, server), ahead) in [
            (None, (100, 100, 100), 0),
            (None, (100, 110, 1_105), 1_000),
            (None, (1_100, 1_110, 105), -1_000),
            (Some(0), (100, 200, 150), 0),
            (Some(0), (100, 200, 199), 0),
            (Some(0), (100, 200, 230), 30),
            (Some(0), (100, 200, 60), -40),
            (Some(30), (300, 300, 300), 0),
            (Some(5), (200, 100, 150), 5),
        ] {
            let reading = reading(asked, answered, server);
            assert_eq!(reading.ahead(before), ahead, "{before:?} {reading:?}");
        }
    }

    #[test]
    fn of_several_masters_the_one_with_the_smallest_address_tells_the_time() {
        let clock = ServerClock::default();
        clock.among(&[address(2), address(1)]);
        let steady = SteadyClock.now().0;
        clock.note(&address(2), reading(steady, steady, steady + 7_200_000));
        assert!(clock.now().0 < steady + 3_600_000);
        clock.note(&address(1), reading(steady, steady, steady + 7_200_000));
        assert!(clock.now().0 >= steady + 7_200_000);
        clock.among(&[address(2)]);
        clock.note(&address(2), reading(steady, steady, steady));
        assert!(clock.now().0 < steady + 3_600_000);
    }

    #[test]
    fn what_is_no_time_is_no_reading() {
        let text = |text: &str| Value::BulkString(text.into());
        for (answer, server) in [
            (Value::Array(vec![text("12"), text("345678")]), Some(12_345)),
            (Value::Array(vec![text("x"), text("1")]), None),
            (
                Value::Array(vec![text(&u64::MAX.to_string()), text("1")]),
                None,
            ),
            (Value::Nil, None),
        ] {
            let reading = Reading::of(Timestamp(0), answer);
            assert_eq!(reading.map(|one| one.server.0), server);
        }
    }
}
