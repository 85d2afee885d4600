use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// A place at which one call stops until it is let through.
#[derive(Clone)]
pub(crate) struct Gate(Arc<(Semaphore, Semaphore)>);

impl Gate {
    fn new() -> Self {
        Self(Arc::new((Semaphore::new(0), Semaphore::new(0))))
    }

    /// Waits until the call stands at the gate.
    pub(crate) async fn reached(&self) {
        let limit = std::time::Duration::from_secs(20);
        let reached = tokio::time::timeout(limit, self.0.0.acquire()).await;
        reached.expect("a call comes").expect("is open").forget();
    }

    /// Lets the call go on.
    pub(crate) fn open(&self) {
        self.0.1.add_permits(1);
    }

    async fn pass(&self) {
        self.0.0.add_permits(1);
        self.0.1.acquire().await.expect("is open").forget();
    }
}

/// Gates by kind of call; each stops one call, in the order in which they were set up.
pub(crate) struct Gates<K>(Mutex<VecDeque<(K, Gate)>>);

impl<K> Default for Gates<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: PartialEq> Gates<K> {
    pub(crate) fn stop(&self, kind: K) -> Gate {
        let gate = Gate::new();
        self.0.lock().push_back((kind, gate.clone()));
        gate
    }

    pub(crate) async fn pass(&self, kind: K) {
        let gate = {
            let mut gates = self.0.lock();
            let at = gates.iter().position(|(one, _)| *one == kind);
            at.and_then(|at| gates.remove(at))
        };
        if let Some((_, gate)) = gate {
            gate.pass().await;
        }
    }
}
