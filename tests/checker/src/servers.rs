//! The servers of a run, and what can be done to them.

use std::time::Duration;

use fastrand::Rng;
use larder_store::testing::{Cluster, Sentinels, Server};

use crate::patience::Patience;

/// What the engines share.
pub enum Servers {
    /// One Redis.
    Single(Server),
    /// Three masters with a replica each.
    Cluster {
        /// All of them.
        all: Cluster,
        /// The masters as they should be, by their position.
        masters: Vec<usize>,
        /// The one that was killed, by its position.
        killed: Option<usize>,
    },
    /// A master and its replica, under sentinels.
    Sentinels {
        /// All of them.
        all: Sentinels,
        /// Whether they have changed roles.
        swapped: bool,
    },
}

impl Servers {
    /// A Cluster that is whole.
    pub async fn cluster(all: Cluster) -> Self {
        Self::Cluster {
            masters: all.masters().await,
            all,
            killed: None,
        }
    }

    /// Whether a master may be silent for some seconds without being replaced.
    #[must_use]
    pub fn may_pause(&self) -> bool {
        matches!(self, Self::Cluster { .. })
    }

    /// Whether there are replicas that take over.
    #[must_use]
    pub fn may_replace(&self) -> bool {
        !matches!(self, Self::Single(_))
    }

    /// Stops a master for so long; its connections stay open.
    pub async fn pause(&self, random: &mut Rng, lasts: Duration) {
        if let Self::Cluster { all, .. } = self
            && let Some(at) = random.choice(all.masters().await)
        {
            all.nodes[at].stop_replying();
            tokio::time::sleep(lasts).await;
            all.nodes[at].go_on();
        }
    }

    /// Whether a replica has taken over since the servers were last restored, although nothing was
    /// killed; from now on its role is the one it should have.
    pub async fn have_changed_roles(&mut self) -> bool {
        match self {
            Self::Single(_) => false,
            Self::Cluster { all, masters, .. } => {
                let before = std::mem::replace(masters, all.masters().await);
                before != *masters
            }
            Self::Sentinels { all, swapped } => {
                let (_, replica) = by_role(all, *swapped);
                let changed = says(replica, "role:master").await;
                *swapped ^= changed;
                changed
            }
        }
    }

    /// Kills a master, as by `kill -9`.
    pub async fn kill(&mut self, random: &mut Rng) {
        match self {
            Self::Single(server) => server.kill(),
            Self::Cluster { all, killed, .. } => {
                *killed = random.choice(all.masters().await);
                if let Some(at) = *killed {
                    all.nodes[at].kill();
                }
            }
            Self::Sentinels { all, swapped } => {
                let (master, _) = by_role(all, *swapped);
                master.kill();
            }
        }
    }

    /// Waits until a replica has taken over from what was killed.
    pub async fn are_replaced(&mut self) {
        match self {
            Self::Single(_) => {}
            Self::Cluster { all, .. } => {
                let patience = Patience::until("a replica has taken over");
                while all.masters().await.len() < 3 {
                    patience.wait().await;
                }
            }
            Self::Sentinels { all, swapped } => {
                let (_, replica) = by_role(all, *swapped);
                let patience = Patience::until("the replica has taken over");
                while !says(replica, "role:master").await {
                    patience.wait().await;
                }
                *swapped = !*swapped;
            }
        }
    }

    /// Starts what was killed, empty, and waits until it follows the new master.
    pub async fn restore(&mut self) {
        match self {
            Self::Single(server) => server.restart().await,
            Self::Cluster {
                all,
                killed,
                masters,
            } => {
                if let Some(at) = killed.take() {
                    all.nodes[at].restart().await;
                }
                let patience = Patience::until("the Cluster is whole again");
                while !all.is_whole().await {
                    patience.wait().await;
                }
                *masters = all.masters().await;
            }
            Self::Sentinels { all, swapped } => {
                let (master, old) = by_role(all, *swapped);
                old.restart().await;
                let port = master.port().to_string();
                let follow = ["REPLICAOF", "127.0.0.1", &port];
                let patience = Patience::until("the old master follows and all know it");
                while old.ask(&follow).await.is_err() || !says(old, "role:slave").await {
                    patience.wait().await;
                }
                while !says(old, "master_link_status:up").await {
                    patience.wait().await;
                }
                while !all.are_ready().await {
                    patience.wait().await;
                }
            }
        }
    }
}

/// The present master and its replica.
fn by_role(all: &mut Sentinels, swapped: bool) -> (&mut Server, &mut Server) {
    match swapped {
        false => (&mut all.master, &mut all.replica),
        true => (&mut all.replica, &mut all.master),
    }
}

async fn says(server: &Server, what: &str) -> bool {
    let told = server.ask(&["INFO", "replication"]).await;
    let told = told.and_then(|told| Ok(redis::from_redis_value::<String>(told)?));
    told.is_ok_and(|told| told.contains(what))
}
