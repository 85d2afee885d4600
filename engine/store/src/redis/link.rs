//! The connections to Redis: what a store asks goes through here, and comes back in time.
//!
//! | file | concept |
//! |---|---|
//! | `endpoint` | where a server is, and how to log in |
//! | `dial` | opens one connection, and says why if it cannot |
//! | `diagnose` | tells a TLS port from a plain one, once, at the start |
//! | `wire` | one connection, every command bounded in time |
//! | `check` | what is looked at before a server is used |
//! | `clock` | the time as the server tells it |
//! | `eviction` | whether a server may evict what has no end |
//! | `locate` | where the masters are: one server, `sentinel` or `cluster` |
//! | `topology` | the masters with their connections, and which slot is whose |
//! | `watchdog` | finds dead links and moved masters, and heals |
//!
//! Nothing that may have been carried out is ever sent again. A command is repeated only where
//! the server said that it did nothing: for a slot that moved, or a script it does not have.

mod check;
pub(crate) mod clock;
mod cluster;
mod diagnose;
mod dial;
pub(crate) mod endpoint;
mod eviction;
mod locate;
mod sentinel;
mod shared;
mod slot;
#[cfg(test)]
mod tests;
pub(crate) mod topology;
mod watchdog;
mod wire;

use std::sync::Arc;

use futures_util::future::join_all;
use redis::{Cmd, PushInfo, Script, Value};
use tokio::sync::{mpsc::UnboundedSender, watch};
use tokio::task::JoinHandle;

use self::clock::ServerClock;
use self::endpoint::Address;
use self::shared::Shared;
use self::slot::slot_of;
use self::topology::Topology;
use self::wire::{Failure, Wire};
use super::config::RedisConfig;
use super::error::ConnectError;
use crate::store::{Health, StoreError};

/// How often one command follows a slot that moves, before it gives up.
const REDIRECTS: usize = 3;

/// The way to Redis. Clones share it.
#[derive(Clone)]
pub(crate) struct Link(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    watchdog: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.watchdog.abort();
    }
}

/// A connection of its own to one master.
#[derive(Clone)]
pub(crate) struct Node(Wire);

impl Link {
    /// Connects, checks the servers, and watches over them from then on.
    ///
    /// # Errors
    /// What is wrong and what to change. In a Cluster, masters that are merely away are waited
    /// for as long as one is there.
    pub(crate) async fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        let shared = Shared::new(config)?;
        shared.first().await?;
        Ok(Self::watched(shared))
    }

    /// As [`Link::connect`], but begins [`Health::Down`] where waiting may help.
    pub(crate) async fn connect_or_wait(config: &RedisConfig) -> Result<Self, ConnectError> {
        let shared = Shared::new(config)?;
        match shared.first().await {
            Err(error) if error.is_transient() => shared.lost(&error),
            first => first?,
        }
        Ok(Self::watched(shared))
    }

    fn watched(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        let watchdog = tokio::spawn(watchdog::watch(shared.clone()));
        Self(Arc::new(Inner { shared, watchdog }))
    }

    /// One command, bounded in time, never sent twice.
    pub(crate) async fn query(&self, command: Cmd) -> Result<Value, StoreError> {
        self.deliver(&command, None).await
    }

    /// Several commands at once, in one round trip to each server concerned; they are independent
    /// of each other, and the first failure is the answer.
    pub(crate) async fn query_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        let topology = self.topology();
        // Which commands go to which server, by position.
        let mut shares: Vec<(&Wire, Vec<usize>)> = Vec::new();
        for (position, command) in commands.iter().enumerate() {
            let wire = topology.wire(slot_of(command))?;
            match shares.iter_mut().find(|(to, _)| std::ptr::eq(*to, wire)) {
                Some((_, share)) => share.push(position),
                None => shares.push((wire, vec![position])),
            }
        }
        let sent = shares.into_iter().map(|(wire, share)| {
            let commands: Vec<&Cmd> = share.iter().map(|&at| &commands[at]).collect();
            async move { (share, wire.send_all(&commands).await) }
        });
        let mut values = vec![Value::Nil; commands.len()];
        for (share, replies) in join_all(sent).await {
            for (position, reply) in share.into_iter().zip(replies?) {
                values[position] = match reply {
                    Err(moved @ (Failure::Moved(_) | Failure::Ask(_))) => {
                        self.follow(&commands[position], moved, None).await?
                    }
                    reply => reply?,
                };
            }
        }
        Ok(values)
    }

    /// EVALSHA with keys of one slot. A server that does not know the script gets it first.
    pub(crate) async fn script(
        &self,
        script: &Script,
        keys: &[&str],
        args: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let mut command = redis::cmd("EVALSHA");
        command.arg(script.get_hash()).arg(keys.len());
        command.arg(keys).arg(args);
        self.deliver(&command, Some(script)).await
    }

    /// The masters, each with a connection opened for the caller, so that what takes long there
    /// delays nobody.
    pub(crate) async fn masters(&self) -> Result<Vec<Node>, StoreError> {
        let topology = self.topology();
        topology.whole()?;
        let opened = topology.masters().map(|address| self.open(address, None));
        join_all(opened).await.into_iter().collect()
    }

    /// A connection of its own to the master at `address`, with RESP3; pushes go to `pushes`,
    /// which also hears when it breaks. Nobody watches over it but the caller.
    pub(crate) async fn open(
        &self,
        address: &Address,
        pushes: Option<UnboundedSender<PushInfo>>,
    ) -> Result<Node, StoreError> {
        let opened = self.0.shared.open(address, pushes).await;
        opened
            .map(Node)
            .map_err(|error| StoreError::Unavailable(error.to_string()))
    }

    /// The masters as they are, and news of every change: a link lost, healed, or moved.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Topology>> {
        self.0.shared.topology.subscribe()
    }

    /// Whether all masters answer, without asking them.
    pub(crate) fn health(&self) -> Health {
        self.topology().health()
    }

    /// Whether the masters are those of a Cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.0.shared.locator.mode() == check::Mode::Cluster
    }

    /// The time as the masters tell it.
    pub(crate) fn clock(&self) -> Arc<ServerClock> {
        self.0.shared.clock.clone()
    }

    /// What the check found, in words.
    pub(crate) fn found(&self) -> String {
        self.topology().found()
    }

    fn topology(&self) -> Arc<Topology> {
        self.0.shared.topology.borrow().clone()
    }

    async fn deliver(&self, command: &Cmd, script: Option<&Script>) -> Result<Value, StoreError> {
        let topology = self.topology();
        let wire = topology.wire(slot_of(command))?;
        match send(wire, command, script, false).await {
            Err(moved @ (Failure::Moved(_) | Failure::Ask(_))) => {
                self.follow(command, moved, script).await
            }
            reply => reply.map_err(StoreError::from),
        }
    }

    /// Sends a command on to where its slot is said to be. The server that said so did nothing.
    async fn follow(
        &self,
        command: &Cmd,
        mut moved: Failure,
        script: Option<&Script>,
    ) -> Result<Value, StoreError> {
        for _ in 0..REDIRECTS {
            let (to, asking) = match &moved {
                Failure::Moved(to) => (to, false),
                Failure::Ask(to) => (to, true),
                _ => break,
            };
            let wire = match self.topology().wire_to(to) {
                Some(wire) => wire,
                None => self.open(to, None).await?.0,
            };
            match send(&wire, command, script, asking).await {
                Err(again @ (Failure::Moved(_) | Failure::Ask(_))) => moved = again,
                reply => return reply.map_err(StoreError::from),
            }
        }
        Err(moved.into())
    }
}

/// One command on one connection, after the script it needs if the server does not have it.
async fn send(
    wire: &Wire,
    command: &Cmd,
    script: Option<&Script>,
    asking: bool,
) -> Result<Value, Failure> {
    let once = async || match asking {
        true => wire.send_asking(command).await,
        false => wire.send(command).await,
    };
    match (once().await, script) {
        (Err(Failure::NoScript), Some(script)) => {
            wire.load(script).await?;
            once().await
        }
        (reply, _) => reply,
    }
}

impl Node {
    /// Where it is.
    pub(crate) fn address(&self) -> Address {
        self.0.to().address()
    }

    /// One command, bounded in time, never sent twice.
    pub(crate) async fn query(&self, command: Cmd) -> Result<Value, StoreError> {
        self.0.send(&command).await.map_err(StoreError::from)
    }

    /// Several commands in one round trip; the first failure is the answer.
    pub(crate) async fn query_all(&self, commands: Vec<Cmd>) -> Result<Vec<Value>, StoreError> {
        let commands: Vec<&Cmd> = commands.iter().collect();
        let replies = self.0.send_all(&commands).await?;
        let replies = replies
            .into_iter()
            .map(|reply| reply.map_err(StoreError::from));
        replies.collect()
    }
}
