//! The gate before an origin: its breaker, and a place among those who call it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use larder_origin::OriginError;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::breaker::{Breaker, Ticket, Verdict};
use crate::error::Error;
use crate::limits::{Caps, Full, OriginLimits, Place};
use crate::meters::OriginMeters;

/// Every call of one origin, or of the closures of one policy, passes here.
pub(crate) struct Gate {
    name: Arc<str>,
    terms: ArcSwap<Terms>,
    breaker: Mutex<Breaker>,
    /// Where the breaker's time begins.
    began: Instant,
    /// Until when the origin wants to be left alone, in milliseconds of that time.
    rests_until_ms: AtomicU64,
    meters: OriginMeters,
}

/// How many calls there may be, which may change.
struct Terms {
    limits: OriginLimits,
    caps: Caps,
}

impl Terms {
    fn new(limits: OriginLimits) -> Self {
        Self {
            caps: Caps::new(&limits),
            limits,
        }
    }
}

/// A call that may be made now. Dropped without an end, it says nothing of the origin.
pub(crate) struct Pass {
    gate: Arc<Gate>,
    ticket: Option<Ticket>,
    _place: Place,
}

impl Gate {
    pub(crate) fn new(name: &str, limits: &OriginLimits) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            terms: ArcSwap::from_pointee(Terms::new(*limits)),
            breaker: Mutex::new(Breaker::new(limits.breaker)),
            began: Instant::now(),
            rests_until_ms: AtomicU64::new(0),
            meters: OriginMeters::new(name),
        })
    }

    /// Sets other limits, if they are others. Calls that are under way keep the places they have;
    /// a breaker that is set otherwise begins anew.
    pub(crate) fn limit(&self, limits: &OriginLimits) {
        let known = self.terms.load().limits;
        if known != *limits {
            self.terms.store(Arc::new(Terms::new(*limits)));
        }
        if known.breaker != limits.breaker {
            self.with_breaker(|breaker, _| *breaker = Breaker::new(limits.breaker));
        }
    }

    /// Fails while the origin wants to be left alone, or the breaker would let no call through, and
    /// changes nothing.
    pub(crate) fn look(&self) -> Result<(), Error> {
        let until_ms = self.rests_until_ms.load(Ordering::Relaxed);
        if until_ms > 0
            && let Some(retry_after_ms) = until_ms.checked_sub(self.now_ms())
            && retry_after_ms > 0
        {
            self.meters.refused("retry_after");
            let origin = self.name.to_string();
            return Err(Error::OriginResting {
                origin,
                retry_after_ms,
            });
        }
        let refusal = self.breaker.lock().refusal(self.now_ms());
        refusal.map_or(Ok(()), |ms| Err(self.open(ms)))
    }

    /// Waits for a place, for half of the time until `ends` at most: the other half is the call's.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        tenant: &str,
        ends: Instant,
    ) -> Result<Pass, Error> {
        self.admit(Some(tenant), ends).await
    }

    /// As [`Gate::enter`], for a call on behalf of many tenants.
    pub(crate) async fn enter_for_all(self: &Arc<Self>, ends: Instant) -> Result<Pass, Error> {
        self.admit(None, ends).await
    }

    async fn admit(self: &Arc<Self>, tenant: Option<&str>, ends: Instant) -> Result<Pass, Error> {
        self.look()?;
        let asked = Instant::now();
        let terms = self.terms.load_full();
        let half = ends.saturating_duration_since(asked) / 2;
        let wait = half.min(Duration::from_millis(terms.limits.wait_ms));
        let place = terms.caps.take(tenant, asked + wait).await;
        self.meters.waited(asked.elapsed());
        let place = place.map_err(|full| self.full(full, tenant.unwrap_or_default()))?;
        // Asked after the wait: the origin may have failed others meanwhile.
        let ticket = self.with_breaker(Breaker::admit);
        Ok(Pass {
            ticket: Some(ticket.map_err(|ms| self.open(ms))?),
            gate: Arc::clone(self),
            _place: place,
        })
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    fn with_breaker<T>(&self, act: impl FnOnce(&mut Breaker, u64) -> T) -> T {
        let mut breaker = self.breaker.lock();
        let before = breaker.state();
        let done = act(&mut breaker, self.now_ms());
        let after = breaker.state();
        if before != after {
            self.meters.breaker(after);
            tracing::warn!(origin = %self.name, "the breaker is {} now", after.as_str());
        }
        done
    }

    fn open(&self, retry_after_ms: u64) -> Error {
        self.meters.refused("breaker");
        Error::OriginOpen {
            origin: self.name.to_string(),
            retry_after_ms,
        }
    }

    fn full(&self, full: Full, tenant: &str) -> Error {
        self.meters.refused(full.as_str());
        Error::Overloaded {
            what: match full {
                Full::Origin => format!("the origin `{}`", self.name),
                Full::Tenant => format!("the origin `{}` for the tenant `{tenant}`", self.name),
            },
            retry_after_ms: self.terms.load().limits.wait_ms.max(1),
        }
    }
}

impl Pass {
    /// The call is over; when the origin wants to be called again is heeded for everybody.
    pub(crate) fn end<T>(self, result: &Result<T, Error>) {
        self.end_for(false, result);
    }

    /// As [`Pass::end`]. A call with `credentials` of its own may be one too many for whoever has
    /// them (429), which is no reason to keep others out.
    pub(crate) fn end_for<T>(mut self, credentials: bool, result: &Result<T, Error>) {
        if let Err(Error::Origin(error)) = result {
            let own = credentials && matches!(error, OriginError::Answered { status: 429, .. });
            self.rest(error.retry_after_ms().filter(|_| !own));
        }
        self.settle(verdict(result.as_ref().err()));
    }

    /// Lets no call through for so long.
    pub(crate) fn rest(&self, ms: Option<u64>) {
        let Some(ms) = ms.filter(|ms| *ms > 0) else {
            return;
        };
        let until_ms = self.gate.now_ms().saturating_add(ms);
        let before = self
            .gate
            .rests_until_ms
            .fetch_max(until_ms, Ordering::Relaxed);
        if before < self.gate.now_ms() {
            tracing::warn!(origin = %self.gate.name, "it wants to be left alone for {ms} ms");
        }
    }

    fn settle(&mut self, verdict: Verdict) {
        if let Some(ticket) = self.ticket.take() {
            let random = fastrand::f64();
            self.gate.with_breaker(|breaker, now_ms| {
                breaker.settle(ticket, verdict, now_ms, random);
            });
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.settle(Verdict::Unknown);
    }
}

/// What the end of a call says of the origin.
fn verdict(error: Option<&Error>) -> Verdict {
    match error {
        None => Verdict::Answered,
        Some(Error::Origin(error)) => match error.class().is_counted() {
            true => Verdict::Failed,
            false => Verdict::Answered,
        },
        Some(Error::Loader(_) | Error::LoadTimeout { .. }) => Verdict::Failed,
        Some(_) => Verdict::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_origin_is_blamed_for() {
        let text = String::new;
        for (error, expected) in [
            (OriginError::Unreachable(text()), Verdict::Failed),
            (OriginError::Timeout { limit_ms: 1 }, Verdict::Failed),
            (OriginError::Failed(text()), Verdict::Failed),
            (OriginError::Broken(text()), Verdict::Failed),
            (OriginError::Schema(text()), Verdict::Failed),
            (OriginError::Rejected(text()), Verdict::Answered),
            (OriginError::TooLarge { limit_bytes: 1 }, Verdict::Answered),
            (
                OriginError::WriteTooLarge { limit_bytes: 1 },
                Verdict::Answered,
            ),
        ] {
            assert_eq!(verdict(Some(&error.clone().into())), expected, "{error}");
        }
        assert_eq!(verdict(None), Verdict::Answered);
        assert_eq!(verdict(Some(&Error::Loader(text()))), Verdict::Failed);
        let late = Error::LoadTimeout { limit_ms: 1 };
        assert_eq!(verdict(Some(&late)), Verdict::Failed);
        assert_eq!(verdict(Some(&Error::DeadlineExceeded)), Verdict::Unknown);
    }
}
