//! How many calls an origin gets at once, in all and from each tenant.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::breaker::BreakerConfig;

/// Protects one origin, or the closures that load for one policy. Loads, reads that leave the
/// cache alone, writes and deletes all count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OriginLimits {
    /// The most calls at once. 0 sets no limit. Default: 64.
    pub concurrency: u32,
    /// The most of them from one tenant, so that none takes all; requests without a tenant count
    /// as one. 0 sets no limit. Default: 32.
    pub tenant_concurrency: u32,
    /// How long a call waits for its place before it is refused, in milliseconds; never longer
    /// than half of the time that is left for the call. Default: 1 s.
    pub wait_ms: u64,
    /// When the origin is left alone.
    pub breaker: BreakerConfig,
}

impl Default for OriginLimits {
    fn default() -> Self {
        Self {
            concurrency: 64,
            tenant_concurrency: 32,
            wait_ms: 1_000,
            breaker: BreakerConfig::default(),
        }
    }
}

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    Origin,
    Tenant,
}

impl Full {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Origin => "origin_cap",
            Self::Tenant => "tenant_cap",
        }
    }
}

/// Those who call an origin now.
pub(crate) struct Caps {
    origin: Option<Arc<Semaphore>>,
    tenants: Option<Arc<Tenants>>,
}

/// A place among them, given back on drop.
pub(crate) struct Place {
    _origin: Option<OwnedSemaphorePermit>,
    _tenant: Option<Turnstile>,
}

impl Caps {
    pub(crate) fn new(limits: &OriginLimits) -> Self {
        let most = |limit: u32| (limit as usize).min(Semaphore::MAX_PERMITS);
        let tenants = |limit| Tenants {
            each: most(limit),
            busy: Mutex::default(),
        };
        let some = |limit: u32| (limit > 0).then_some(limit);
        Self {
            origin: some(limits.concurrency).map(|limit| Arc::new(Semaphore::new(most(limit)))),
            tenants: some(limits.tenant_concurrency).map(|limit| Arc::new(tenants(limit))),
        }
    }

    /// Takes a place, waiting for one until `until`. The tenant's comes first: whoever waits for
    /// its own tenant must not hold a place that another tenant could use. A call for many tenants
    /// counts for none of them.
    pub(crate) async fn take(&self, tenant: Option<&str>, until: Instant) -> Result<Place, Full> {
        let tenant = match self.tenants.as_ref().zip(tenant) {
            Some((tenants, tenant)) => {
                let mut turnstile = tenants.turnstile(tenant);
                turnstile.pass(until).await.ok_or(Full::Tenant)?;
                Some(turnstile)
            }
            None => None,
        };
        let origin = match &self.origin {
            Some(origin) => Some(acquire(origin, until).await.ok_or(Full::Origin)?),
            None => None,
        };
        Ok(Place {
            _origin: origin,
            _tenant: tenant,
        })
    }
}

async fn acquire(semaphore: &Arc<Semaphore>, until: Instant) -> Option<OwnedSemaphorePermit> {
    let permit = timeout_at(until, Arc::clone(semaphore).acquire_owned()).await;
    permit.ok()?.ok()
}

/// The tenants that call or wait now; the others cost nothing.
struct Tenants {
    each: usize,
    busy: Mutex<HashMap<Arc<str>, Arc<Semaphore>>>,
}

/// One call's claim on its tenant's semaphore. The last one to go takes the semaphore along.
struct Turnstile {
    tenants: Arc<Tenants>,
    name: Arc<str>,
    semaphore: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Tenants {
    fn turnstile(self: &Arc<Self>, tenant: &str) -> Turnstile {
        let name = Arc::from(tenant);
        let mut busy = self.busy.lock();
        let semaphore = busy
            .entry(Arc::clone(&name))
            .or_insert_with(|| Arc::new(Semaphore::new(self.each)));
        Turnstile {
            semaphore: Some(Arc::clone(semaphore)),
            tenants: Arc::clone(self),
            permit: None,
            name,
        }
    }
}

impl Turnstile {
    async fn pass(&mut self, until: Instant) -> Option<()> {
        let semaphore = self.semaphore.as_ref()?;
        self.permit = Some(acquire(semaphore, until).await?);
        Some(())
    }
}

impl Drop for Turnstile {
    fn drop(&mut self) {
        // Both are let go of under the lock: of two that leave at once, the second sees that it
        // is the last.
        let mut busy = self.tenants.busy.lock();
        self.permit = None;
        self.semaphore = None;
        if busy
            .get(&self.name)
            .is_some_and(|semaphore| Arc::strong_count(semaphore) == 1)
        {
            busy.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn caps(concurrency: u32, tenant_concurrency: u32) -> Caps {
        Caps::new(&OriginLimits {
            concurrency,
            tenant_concurrency,
            ..OriginLimits::default()
        })
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(10)
    }

    #[tokio::test(start_paused = true)]
    async fn each_limit_holds_by_itself() {
        let caps = caps(3, 2);
        let one = caps.take(Some("a"), soon()).await;
        let _two = caps.take(Some("a"), soon()).await;
        assert_eq!(caps.take(Some("a"), soon()).await.err(), Some(Full::Tenant));
        let _three = caps.take(Some("b"), soon()).await;
        assert_eq!(caps.take(Some("b"), soon()).await.err(), Some(Full::Origin));
        drop(one);
        assert!(caps.take(Some("b"), soon()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn zero_sets_no_limit() {
        let caps = caps(0, 0);
        let mut held = Vec::new();
        for _ in 0..1_000 {
            held.push(caps.take(Some("a"), soon()).await.expect("is free"));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_that_are_gone_leave_nothing_behind() {
        let caps = caps(1, 1);
        let tenants = caps.tenants.as_ref().expect("has a limit");
        let held = caps.take(Some("a"), soon()).await.expect("is free");
        for i in 0..100 {
            // Gives up while it waits for the origin.
            assert!(caps.take(Some(&format!("t{i}")), soon()).await.is_err());
        }
        // Goes away while it waits for its tenant.
        drop(futures_util::FutureExt::now_or_never(
            caps.take(Some("a"), soon()),
        ));
        assert_eq!(tenants.busy.lock().len(), 1);
        drop(held);
        assert_eq!(tenants.busy.lock().len(), 0);
    }
}
