//! Hears of every change in Redis, by client tracking in broadcast mode (RESP3).
//!
//! Each master has a connection for nothing else. Redis puts what it tells of a change into that
//! connection before it answers whoever made it, so an answered PING proves that everything
//! acknowledged before it was sent has been heard of. Pushes prove nothing of the kind: one that
//! was under way for long is as good as any other.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::change::Change;
use super::mark::Mark;
use super::near::Near;
use crate::redis::link::endpoint::Address;
use crate::redis::link::topology::Topology;
use crate::redis::link::{Link, Node};
use crate::store::StoreError;

/// How often masters are asked whether all was heard, unless the bound wants it more often.
const EVERY: Duration = Duration::from_millis(500);
/// How long to wait before the next attempt to follow.
const PAUSE: Duration = Duration::from_millis(200);

/// Follows changes until it is dropped.
pub(super) struct Tracking(JoinHandle<()>);

impl Drop for Tracking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What is followed, and for whom.
struct Follower {
    link: Link,
    prefix: String,
    near: Arc<Near>,
    bound: Duration,
}

impl Tracking {
    /// Tells `near` of every change below `prefix`, with certainty for `bound` at a time.
    pub(super) fn start(link: Link, prefix: String, near: Arc<Near>, bound: Duration) -> Self {
        let follower = Follower {
            link,
            prefix,
            near,
            bound,
        };
        Self(tokio::spawn(follower.run()))
    }
}

impl Follower {
    async fn run(self) {
        let mut last = String::new();
        loop {
            let Err(error) = self.follow().await;
            let why = error.to_string();
            self.near.lose(&why);
            if why != last {
                tracing::warn!(%why, "not told of changes; every read asks the shared store");
            }
            last = why;
            sleep(PAUSE).await;
        }
    }

    /// Follows all masters until one is lost or they change.
    async fn follow(&self) -> Result<Infallible, StoreError> {
        let mut news = self.link.watch();
        let masters = masters(&news.borrow_and_update())?;
        let (pushes, mut heard) = unbounded_channel();
        let opened = masters.iter().map(|at| self.track(at, pushes.clone()));
        let nodes = try_join_all(opened).await?;
        // A Cluster has one database and no SWAPDB.
        let mark = (!self.link.is_cluster()).then(|| Mark::below(&self.prefix));
        let (asked, mut data) = all_heard(&nodes, mark.as_ref(), Instant::now()).await?;
        self.near.follow(asked, self.bound);
        tracing::info!(masters = nodes.len(), "told of changes");
        let every = EVERY.min(self.bound / 3);
        let mut signed = asked;
        let beat = all_heard(&nodes, mark.as_ref(), asked + every);
        tokio::pin!(beat);
        loop {
            tokio::select! {
                push = heard.recv() => self.tell(push)?,
                changed = news.changed() => {
                    let now = masters_now(&mut news);
                    if changed.is_err() || now? != masters {
                        return Err(lost("the masters have changed"));
                    }
                }
                answered = &mut beat => {
                    match answered {
                        Ok((asked, found)) => {
                            // What was pushed before the answer is here, if not yet told.
                            self.tell_all(&mut heard)?;
                            if data != found {
                                tracing::info!("the database was emptied or exchanged; no copy of it is kept");
                                self.near.all_changed();
                                data = found;
                            }
                            self.near.sign(asked, self.bound);
                            signed = asked;
                        }
                        // A later answer on the same connection speaks for this one as well.
                        Err(StoreError::Timeout { .. }) if signed.elapsed() < self.bound => {}
                        Err(error) => return Err(error),
                    }
                    beat.set(all_heard(&nodes, mark.as_ref(), (signed + every).max(Instant::now())));
                }
            }
        }
    }

    async fn track(
        &self,
        at: &Address,
        pushes: UnboundedSender<PushInfo>,
    ) -> Result<Node, StoreError> {
        let node = self.link.open(at, Some(pushes)).await?;
        let mut command = redis::cmd("CLIENT");
        command.arg("TRACKING").arg("ON").arg("BCAST");
        command.arg("PREFIX").arg(format!("{}:", self.prefix));
        node.query(command).await?;
        Ok(node)
    }

    fn tell_all(&self, heard: &mut UnboundedReceiver<PushInfo>) -> Result<(), StoreError> {
        for _ in 0..heard.len() {
            self.tell(heard.try_recv().ok())?;
        }
        Ok(())
    }

    fn tell(&self, push: Option<PushInfo>) -> Result<(), StoreError> {
        let Some(push) = push else {
            return Err(lost("the connection was closed"));
        };
        match push.kind {
            PushKind::Invalidate => self.invalidated(&push.data),
            PushKind::Disconnection => return Err(lost("the connection broke off")),
            _ => {}
        }
        Ok(())
    }

    fn invalidated(&self, data: &[Value]) {
        let [Value::Array(names)] = data else {
            // No names: the whole database was emptied.
            self.near.all_changed();
            return;
        };
        for name in names {
            match name {
                Value::BulkString(name) => Change::of(&self.prefix, name).tell(&self.near),
                _ => self.near.all_changed(),
            }
        }
    }
}

/// Asks all masters whether they are there, at `at` or later; answers when they were asked, and how
/// the database is marked.
async fn all_heard(
    nodes: &[Node],
    mark: Option<&Mark>,
    at: Instant,
) -> Result<(Instant, Option<String>), StoreError> {
    sleep_until(at).await;
    let asked = Instant::now();
    if let (Some(mark), [node]) = (mark, nodes) {
        return Ok((asked, mark.ask(node).await?));
    }
    let each = nodes.iter().map(|node| node.query(redis::cmd("PING")));
    try_join_all(each).await?;
    Ok((asked, None))
}

fn masters_now(
    news: &mut tokio::sync::watch::Receiver<Arc<Topology>>,
) -> Result<Vec<Address>, StoreError> {
    masters(&news.borrow_and_update())
}

/// The masters in order, if all can be reached.
fn masters(topology: &Topology) -> Result<Vec<Address>, StoreError> {
    if !topology.is_up() {
        return Err(lost("not every master can be reached"));
    }
    let mut masters: Vec<Address> = topology.masters().cloned().collect();
    masters.sort_unstable();
    Ok(masters)
}

fn lost(why: &str) -> StoreError {
    StoreError::Unavailable(format!("{why}; it is tried again"))
}
