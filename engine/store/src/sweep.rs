//! How far getting rid of banned entries is.

use std::sync::Arc;

use larder_core::Hex;
use tokio::sync::watch;

/// What a sweep has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Keys looked at.
    pub scanned: u64,
    /// Entries removed or expired.
    pub removed: u64,
    /// Whether all keys were looked at.
    pub complete: bool,
    /// Why the sweep stopped before that; what was banned stays banned all the same.
    pub failed: Option<String>,
}

/// A handle on the sweep of one pattern. Clones share everything; dropping them stops nothing.
#[derive(Clone, Debug)]
pub struct Sweep {
    id: Arc<str>,
    progress: watch::Receiver<Progress>,
}

/// The end that reports.
#[derive(Debug)]
pub struct Sweeper(watch::Sender<Progress>);

impl Sweep {
    /// A sweep that has just begun, and the end that reports.
    #[must_use]
    pub fn begin() -> (Self, Sweeper) {
        let (reporter, progress) = watch::channel(Progress::default());
        let id = format!("{}", Hex(&fastrand::u64(..).to_be_bytes()));
        let id = id.into();
        (Self { id, progress }, Sweeper(reporter))
    }

    /// Names it in the API.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// How far it is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.borrow().clone()
    }

    /// Waits for its end, or until nobody sweeps any more.
    pub async fn ended(&self) -> Progress {
        let mut progress = self.progress.clone();
        let over = |now: &Progress| now.complete || now.failed.is_some();
        match progress.wait_for(over).await {
            Ok(last) => last.clone(),
            Err(_) => self.progress(),
        }
    }
}

impl Sweeper {
    /// Some more was looked at.
    pub fn advance(&self, scanned: u64, removed: u64) {
        self.0.send_modify(|progress| {
            progress.scanned += scanned;
            progress.removed += removed;
        });
    }

    /// All was looked at.
    pub fn complete(&self) {
        self.0.send_modify(|progress| progress.complete = true);
    }

    /// It cannot go on.
    pub fn fail(&self, why: impl Into<String>) {
        let why = Some(why.into());
        self.0.send_modify(|progress| progress.failed = why);
    }
}
