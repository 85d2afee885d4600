//! How many requests are worked on at a time. What is above is refused at once: those that were
//! let in keep their time, and a queue would only fill with callers who have given up.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::problem::Problem;

/// How often an overload is logged: a line for each request would be a load of its own.
const LOG_EVERY: Duration = Duration::from_secs(5);

/// One limit for all routes and all connections of a plane.
pub(crate) struct InFlight {
    slots: Semaphore,
    max: usize,
    log: Seldom,
}

impl InFlight {
    /// A limit of `max` requests, at least one.
    pub(crate) fn new(max: usize) -> Self {
        let max = max.clamp(1, Semaphore::MAX_PERMITS);
        let _ = metrics::counter!("larder_shed_requests_total");
        Self {
            slots: Semaphore::new(max),
            max,
            log: Seldom::new(Instant::now()),
        }
    }

    /// The limit.
    pub(crate) const fn max(&self) -> usize {
        self.max
    }

    /// Room for one request until the permit is dropped; none if there is none.
    pub(crate) fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.slots.try_acquire().ok()
    }

    /// How many requests are worked on.
    pub(crate) fn taken(&self) -> usize {
        self.max - self.slots.available_permits()
    }

    /// The answer to a request that there was no room for.
    pub(crate) fn overloaded(&self) -> Response {
        metrics::counter!("larder_shed_requests_total").increment(1);
        if let Some(count) = self.log.due(Instant::now()) {
            let max = self.max;
            tracing::warn!(max, count, "overloaded: requests are refused with 503");
        }
        let detail = format!(
            "the limit of {} requests at a time is reached; try again in a second. \
             `max_in_flight` in [server] is the limit",
            self.max
        );
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail);
        problem.count();
        let mut response = problem.document();
        let second = HeaderValue::from_static("1");
        response.headers_mut().insert(header::RETRY_AFTER, second);
        response
    }
}

/// Lets through one event of each [`LOG_EVERY`], with the number of those since the last.
struct Seldom {
    began: Instant,
    next_ms: AtomicU64,
    since: AtomicU64,
}

impl Seldom {
    fn new(began: Instant) -> Self {
        Self {
            began,
            next_ms: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }
    }

    fn due(&self, now: Instant) -> Option<u64> {
        self.since.fetch_add(1, Ordering::Relaxed);
        let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let now_ms = ms(now.saturating_duration_since(self.began));
        let next = self.next_ms.load(Ordering::Relaxed);
        let won = now_ms >= next
            && self
                .next_ms
                .compare_exchange(
                    next,
                    now_ms.saturating_add(ms(LOG_EVERY)),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        won.then(|| self.since.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_and_again_when_one_is_done() {
        let limit = InFlight::new(2);
        let first = limit.enter();
        let second = limit.enter();
        assert!(first.is_some() && second.is_some());
        assert_eq!(limit.taken(), 2);
        assert!(limit.enter().is_none());
        drop(first);
        assert_eq!(limit.taken(), 1);
        let third = limit.enter();
        assert!(third.is_some() && limit.enter().is_none());
    }

    #[test]
    fn a_limit_of_nothing_and_one_of_everything_are_limits() {
        assert!(InFlight::new(0).enter().is_some());
        assert!(InFlight::new(usize::MAX).enter().is_some());
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let refusal = InFlight::new(1).overloaded();
        assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refusal.headers()[header::RETRY_AFTER], "1");
        let kind = &refusal.headers()[header::CONTENT_TYPE];
        assert_eq!(kind, "application/problem+json");
    }

    #[test]
    fn an_overload_is_logged_seldom_and_counted_whole() {
        let began = Instant::now();
        let log = Seldom::new(began);
        for (at_ms, expected) in [
            (0, Some(1)),
            (0, None),
            (4_999, None),
            (5_000, Some(3)),
            (5_001, None),
            (60_000, Some(2)),
        ] {
            let now = began + Duration::from_millis(at_ms);
            assert_eq!(log.due(now), expected, "{at_ms}");
        }
    }
}
