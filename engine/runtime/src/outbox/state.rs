//! What is known of an outbox, for those who ask.

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

/// An outbox that is behind for no longer than this, or than a few turns, is no news.
const BEHIND_MS: u64 = 10_000;
const TURNS: u64 = 5;

/// How the first reading went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum First {
    #[default]
    Unknown,
    Read,
    Failed,
}

/// What is known of an outbox.
pub(super) struct State {
    known: Mutex<Known>,
    first: watch::Sender<First>,
    behind_ms: u64,
}

struct Known {
    /// Every commit from before this is applied, as far as nothing is held back.
    read: Instant,
    held_ms: Option<u64>,
    failure: Option<String>,
}

impl State {
    pub(super) fn new(poll_ms: u64) -> Self {
        Self {
            known: Mutex::new(Known {
                read: Instant::now(),
                held_ms: None,
                failure: None,
            }),
            first: watch::Sender::default(),
            behind_ms: poll_ms.saturating_mul(TURNS).max(BEHIND_MS),
        }
    }

    /// Everything that could be read at the moment `asked` is applied.
    pub(super) fn read(&self, asked: Instant, held_ms: Option<u64>) {
        *self.known.lock() = Known {
            read: asked,
            held_ms,
            failure: None,
        };
        self.first.send_replace(First::Read);
    }

    pub(super) fn failed(&self, why: &str) {
        self.known.lock().failure = Some(why.to_owned());
        self.first.send_if_modified(|first| {
            let unknown = *first == First::Unknown;
            if unknown {
                *first = First::Failed;
            }
            unknown
        });
    }

    /// How old a commit may be that is not applied yet, in milliseconds, and why, where that is
    /// too long.
    pub(super) fn lag(&self) -> (u64, Option<String>) {
        let known = self.known.lock();
        let since_ms = u64::try_from(known.read.elapsed().as_millis()).unwrap_or(u64::MAX);
        let held_ms = known.held_ms.unwrap_or(0);
        let lag_ms = since_ms.saturating_add(held_ms);
        if lag_ms <= self.behind_ms {
            return (lag_ms, None);
        }
        let why = match &known.failure {
            Some(failure) => failure.clone(),
            None if held_ms > 0 => {
                "a transaction of the database that is still open holds rows back".to_owned()
            }
            None => "there are more rows than could be applied".to_owned(),
        };
        (lag_ms, Some(why))
    }

    /// Waits until it was read to its end once or has failed; answers which.
    pub(super) async fn first(&self, deadline: Instant) -> First {
        let mut first = self.first.subscribe();
        let known = first.wait_for(|first| *first != First::Unknown);
        match tokio::time::timeout_at(deadline, known).await {
            Ok(Ok(first)) => *first,
            Ok(Err(_)) | Err(_) => First::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_keeps_an_outbox_back_is_said_once_it_takes_long() {
        let state = State::new(1_000);
        state.failed("it is away");
        assert_eq!(state.first(Instant::now()).await, First::Failed);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(state.lag(), (10_000, None));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(state.lag(), (10_001, Some("it is away".to_owned())));
        state.read(Instant::now(), None);
        assert_eq!(state.lag(), (0, None));
        assert_eq!(state.first(Instant::now()).await, First::Read);
        state.read(Instant::now(), Some(60_000));
        let (lag_ms, why) = state.lag();
        assert!(lag_ms == 60_000 && why.is_some_and(|why| why.contains("still open")));
        tokio::time::advance(Duration::from_secs(11)).await;
        state.read(Instant::now() - Duration::from_secs(11), None);
        assert!(state.lag().1.is_some_and(|why| why.contains("more rows")));
    }
}
