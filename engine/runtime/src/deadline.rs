//! How long a caller waits, whatever it waits for.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use crate::error::Error;

/// Further away than anybody waits: about thirty years.
const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 60 * 60);

/// The moment so many milliseconds from now.
pub(crate) fn in_ms(ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(ms).min(FAR)
}

/// The moment at which half of the time until `deadline` is over: who has waited that long for
/// others still has time to act alone.
pub(crate) fn half_way(deadline: Instant) -> Instant {
    let now = Instant::now();
    now + deadline.saturating_duration_since(now) / 2
}

/// Waits for `future` until `deadline`. What is there at once, as from memory, comes without a
/// timer.
pub(crate) async fn by<F: Future>(deadline: Instant, future: F) -> Result<F::Output, Error> {
    let mut future = pin!(future);
    let looked = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
    if let Poll::Ready(output) = looked {
        return Ok(output);
    }
    let waited = timeout_at(deadline, future).await;
    waited.map_err(|_elapsed| Error::DeadlineExceeded)
}

/// Whether the time is over.
pub(crate) fn is_over(deadline: Instant) -> bool {
    Instant::now() >= deadline
}
