//! Getting rid of what was banned.
//!
//! A ban may leave the list when nothing from before it is there any more. `SCAN` answers
//! everything that is there from its start to its end, so two passes over all masters, one after
//! the other, are enough. The first voids the claims that do not know of the ban: from its end on
//! nothing whose load began before the ban can be stored. The second removes or expires the
//! entries whose load did not come after the ban: all of them were there when it began.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use larder_core::Timestamp;
use redis::cmd;

use super::ban::SILENT_MS;
use super::bans::Ban;
use super::envelope::{Damage, MAX_HEAD, Stored, decode};
use super::link::Node;
use super::reply::{self, exact, typed};
use super::store::Inner;
use crate::store::{StoreError, Token};
use crate::sweep::Sweeper;

/// How many keys one `SCAN` looks at: more keeps everybody else waiting.
const LOOK_AT: u64 = 1_000;
/// How many keys are changed before others get their turn.
const AT_ONCE: usize = 100;
/// How long they get it.
const PAUSE: Duration = Duration::from_millis(2);
/// How long after a sweep of several masters its view of them is compared with the present one.
const SETTLED: Duration = Duration::from_millis(1_500);
/// How much of an entry is read for its name at first, in bytes; longer heads are rare.
const USUAL_HEAD: usize = 4_096;
/// How often each node looks for bans that nobody sweeps, in milliseconds.
const ADOPT_EVERY_MS: u64 = 5_000;

/// When this node looked for bans that nobody sweeps.
#[derive(Default)]
pub(crate) struct Adoption(AtomicU64);

impl Adoption {
    fn is_due(&self, now: Timestamp) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let due = now.since(Timestamp(last)) >= ADOPT_EVERY_MS || now.0 < last;
        let set = |next| {
            self.0
                .compare_exchange(last, next, Ordering::Relaxed, Ordering::Relaxed)
        };
        due && set(now.0).is_ok()
    }
}

impl Inner {
    /// Takes over the bans whose sweeper gave no sign of life, off the caller's path.
    pub(super) fn adopt(self: &Arc<Self>, now: Timestamp) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if !self.adoption.is_due(now) {
            return;
        }
        let inner = Arc::clone(self);
        runtime.spawn(async move {
            if let Err(error) = inner.adopt_all().await {
                tracing::debug!("bans without a sweeper were not looked for: {error}");
            }
        });
    }

    pub(super) async fn adopt_all(self: &Arc<Self>) -> Result<(), StoreError> {
        let bans = self.read_bans().await?;
        for ban in &bans.all {
            let mut lock = cmd("SET");
            lock.arg(self.names.ban_lock(&ban.id)).arg("1");
            lock.arg("NX").arg("PX").arg(SILENT_MS);
            let taken: Option<String> = typed(self.link.query(lock).await?)?;
            if taken.is_some() {
                tracing::info!(ban = %ban.pattern, "takes over a ban whose sweeper is gone");
                Arc::clone(self).sweep_ban(ban.clone(), None).await;
            }
        }
        Ok(())
    }

    /// Two nodes may sweep one ban: all that they do is harmless when done twice.
    pub(super) async fn sweep_ban(self: Arc<Self>, ban: Ban, sweeper: Option<Sweeper>) {
        let swept = self.sweep_both(&ban, sweeper.as_ref()).await;
        match (swept, sweeper) {
            (Ok(()), Some(sweeper)) => sweeper.complete(),
            (Ok(()), None) => {}
            (Err(error), sweeper) => {
                tracing::warn!(ban = %ban.pattern, "a sweep stopped; the ban stays in place and another sweep begins within a minute: {error}");
                if let Some(sweeper) = sweeper {
                    sweeper.fail(error.to_string());
                }
            }
        }
    }

    async fn sweep_both(&self, ban: &Ban, sweeper: Option<&Sweeper>) -> Result<(), StoreError> {
        let places = self.link.watch();
        let before = Arc::clone(&places.borrow());
        let masters = self.link.masters().await?;
        for master in &masters {
            self.void_claims(master, ban).await?;
        }
        for master in &masters {
            self.drop_entries(master, ban, sweeper).await?;
        }
        if masters.len() > 1 {
            // The layout of a Cluster is looked at once a second, so a slot that moved during
            // the passes shows within this. And a read there asks several masters at once: none
            // that took an entry before its removal still waits for the bans after this.
            tokio::time::sleep(SETTLED.max(self.timeout * 2)).await;
        }
        if !before.same_places(&places.borrow()) {
            return Err(StoreError::Unavailable(
                "slots or masters moved during the sweep, so it may have missed keys".to_owned(),
            ));
        }
        let (bans, lock) = (self.names.bans(), self.names.ban_lock(&ban.id));
        let (keys, args) = ([&*bans, &*lock], [&*ban.id]);
        self.script(&self.scripts.ban_remove, &keys, &args)
            .await
            .map(drop)
    }

    async fn void_claims(&self, master: &Node, ban: &Ban) -> Result<(), StoreError> {
        let mut scan = Scan::new(self.names.claims_of(&ban.pattern));
        let number = ban.number.to_string();
        while let Some(names) = scan.next(master).await? {
            self.sign_of_life(ban).await?;
            let names = self.may_match(ban, &names);
            for some in names.chunks(AT_ONCE) {
                let void = some.iter().map(async |name| {
                    let args = [&*number, &Token::fresh().to_string()];
                    self.script(&self.scripts.ban_claims, &[name], &args).await
                });
                try_join_all(void).await?;
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    async fn drop_entries(
        &self,
        master: &Node,
        ban: &Ban,
        sweeper: Option<&Sweeper>,
    ) -> Result<(), StoreError> {
        let mut scan = Scan::new(self.names.entries_of(&ban.pattern));
        while let Some(names) = scan.next(master).await? {
            self.sign_of_life(ban).await?;
            let mut removed = 0;
            let matching = self.may_match(ban, &names);
            for some in matching.chunks(AT_ONCE) {
                removed += self.drop_some(some, ban).await?;
                tokio::time::sleep(PAUSE).await;
            }
            if let Some(sweeper) = sweeper {
                sweeper.advance(names.len() as u64, removed);
            }
        }
        Ok(())
    }

    /// Those names whose keys the ban may match.
    fn may_match<'a>(&self, ban: &Ban, names: &'a [String]) -> Vec<&'a str> {
        let may_match = |name: &&str| {
            let storage = self.names.storage(name);
            storage.is_some_and(|storage| ban.pattern.may_match_storage(storage))
        };
        names.iter().map(String::as_str).filter(may_match).collect()
    }

    async fn drop_some(&self, names: &[&str], ban: &Ban) -> Result<u64, StoreError> {
        let heads = names.iter().map(|name| head(name, USUAL_HEAD)).collect();
        let heads = self.link.query_all(heads).await?;
        let drop = names.iter().zip(heads).map(async |(name, bytes)| {
            let bytes = reply::bytes(bytes)?.unwrap_or_default();
            let Some(stored) = self.whole_head(name, bytes).await? else {
                return Ok(0);
            };
            let matches = ban.pattern.matches(&stored.entry.logical);
            if !matches || stored.marks.bans >= ban.number {
                return Ok(0);
            }
            self.drop_entry(name, stored.marks.id, ban).await
        });
        Ok(try_join_all(drop).await?.into_iter().sum())
    }

    async fn drop_entry(&self, name: &str, id: u64, ban: &Ban) -> Result<u64, StoreError> {
        let args = [&*Token(id).to_string(), ban.mode.as_str(), &exact(ban.at.0)];
        let dropped = self.script(&self.scripts.ban_entry, &[name], &args).await?;
        reply::number(dropped)
    }

    /// What is damaged is left to the next read of it, which removes it.
    async fn whole_head(&self, name: &str, bytes: Bytes) -> Result<Option<Stored>, StoreError> {
        match decode(&bytes) {
            Err(Damage::Short(_)) if bytes.len() == USUAL_HEAD => {
                let bytes = self.link.query(head(name, MAX_HEAD)).await?;
                Ok(decode(&reply::bytes(bytes)?.unwrap_or_default()).ok())
            }
            decoded => Ok(decoded.ok()),
        }
    }

    async fn sign_of_life(&self, ban: &Ban) -> Result<(), StoreError> {
        let mut lock = cmd("SET");
        lock.arg(self.names.ban_lock(&ban.id)).arg("1");
        lock.arg("PX").arg(SILENT_MS);
        self.link.query(lock).await.map(drop)
    }
}

fn head(name: &str, length: usize) -> redis::Cmd {
    let mut head = cmd("GETRANGE");
    head.arg(name).arg(0).arg(length - 1);
    head
}

/// The names on one master that match, some at a time.
struct Scan {
    glob: String,
    /// None when all were answered.
    cursor: Option<u64>,
}

impl Scan {
    fn new(glob: String) -> Self {
        let cursor = Some(0);
        Self { glob, cursor }
    }

    async fn next(&mut self, master: &Node) -> Result<Option<Vec<String>>, StoreError> {
        let Some(cursor) = self.cursor else {
            return Ok(None);
        };
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(&self.glob);
        scan.arg("COUNT").arg(LOOK_AT);
        let (next, names): (u64, Vec<Bytes>) = typed(master.query(scan).await?)?;
        self.cursor = (next != 0).then_some(next);
        let text = |name: Bytes| String::from_utf8(name.into()).ok();
        Ok(Some(names.into_iter().filter_map(text).collect()))
    }
}
