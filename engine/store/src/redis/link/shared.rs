//! What a link and its watchdog have in common.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use redis::PushInfo;
use tokio::sync::{Notify, mpsc::UnboundedSender, watch};
use tokio::time::Instant;

use super::super::config::RedisConfig;
use super::super::error::ConnectError;
use super::check::check;
use super::clock::ServerClock;
use super::diagnose::diagnose;
use super::dial::Dialer;
use super::endpoint::Address;
use super::locate::Locator;
use super::topology::{Layout, Topology, Way};
use super::wire::Wire;

pub(super) struct Shared {
    pub(super) dialer: Dialer,
    pub(super) locator: Locator,
    pub(super) check_every: Duration,
    pub(super) accept_eviction: bool,
    /// A command failed in a way that says more about the connection than about the command.
    pub(super) trouble: Arc<Notify>,
    pub(super) topology: watch::Sender<Arc<Topology>>,
    pub(super) clock: Arc<ServerClock>,
}

impl Shared {
    pub(super) fn new(config: &RedisConfig) -> Result<Self, ConnectError> {
        config.validate()?;
        let nothing = Topology::lost("not connected yet".into(), Instant::now());
        Ok(Self {
            dialer: Dialer::new(config)?,
            locator: Locator::new(config.seeds()?),
            check_every: config.check_every(),
            accept_eviction: config.accept_eviction,
            trouble: Arc::new(Notify::new()),
            topology: watch::Sender::new(Arc::new(nothing)),
            clock: Arc::default(),
        })
    }

    /// Connects for the first time. A master that is merely away is left to the watchdog if
    /// another one is there.
    pub(super) async fn first(&self) -> Result<(), ConnectError> {
        let layout = self.locator.locate(&self.dialer, &[]).await?;
        let (topology, errors) = self.reach(layout, &[]).await;
        let some_up = topology.wires().next().is_some();
        self.topology.send_replace(Arc::new(topology));
        let mut errors = errors.into_iter();
        match errors.find(|(_, error)| !some_up || !error.is_transient()) {
            None => Ok(()),
            Some((address, error)) => Err(self.diagnosed(&address, error).await),
        }
    }

    /// Connections to all masters of a layout: those of `alive` that fit, new ones for the rest.
    pub(super) async fn reach(
        &self,
        layout: Layout,
        alive: &[(Wire, Arc<str>)],
    ) -> (Topology, Vec<(Address, ConnectError)>) {
        self.clock.among(&layout.masters);
        let ways = layout.masters.iter().map(async |address| {
            let mut alive = alive.iter();
            match alive.find(|(wire, _)| wire.to().address() == *address) {
                Some((wire, found)) => Ok((wire.clone(), found.clone())),
                None => Box::pin(self.connect(address)).await,
            }
        });
        let mut errors = Vec::new();
        let ways = join_all(ways).await.into_iter().zip(&layout.masters);
        let ways = ways.map(|(way, address)| match way {
            Ok((wire, found)) => Way::Up { wire, found },
            Err(error) => {
                let why = error.to_string().into();
                errors.push((address.clone(), error));
                Way::Down(why)
            }
        });
        let ways = ways.collect();
        (Topology::new(layout, ways, Instant::now()), errors)
    }

    async fn connect(&self, address: &Address) -> Result<(Wire, Arc<str>), ConnectError> {
        let wire = self.open(address, None).await?;
        let (found, time) = check(&wire, self.locator.mode(), self.accept_eviction).await?;
        if let Some(time) = time {
            self.clock.note(address, time);
        }
        Ok((wire, found.words().into()))
    }

    /// A new connection with the login of the masters, not yet checked.
    pub(super) async fn open(
        &self,
        address: &Address,
        pushes: Option<UnboundedSender<PushInfo>>,
    ) -> Result<Wire, ConnectError> {
        let Some(login) = self.locator.login() else {
            let why = "no server is named".to_owned();
            return Err(ConnectError::Config { why });
        };
        let to = login.at(address);
        let connection = self.dialer.dial(&to, pushes).await?;
        let trouble = self.trouble.clone();
        Ok(Wire::new(connection, to, self.dialer.limit, trouble))
    }

    async fn diagnosed(&self, address: &Address, error: ConnectError) -> ConnectError {
        match self.locator.login() {
            Some(login) => diagnose(&self.dialer, &login.at(address), error).await,
            None => error,
        }
    }

    /// Nobody can be reached.
    pub(super) fn lost(&self, error: &ConnectError) {
        self.publish(Topology::lost(error.to_string().into(), Instant::now()));
    }

    /// Makes a new state known. An outage keeps the time at which it began.
    pub(super) fn publish(&self, mut next: Topology) {
        let before = self.topology.borrow().clone();
        match (&before.down, &mut next.down) {
            (Some((known, began)), Some((why, since))) => {
                *since = *began;
                if known != why {
                    tracing::warn!(%why, "redis is down");
                }
            }
            (None, Some((why, _))) => tracing::warn!(%why, "redis is down"),
            (Some(_), None) => tracing::info!(found = next.found(), "redis is up"),
            (None, None) => tracing::info!(found = next.found(), "redis has moved"),
        }
        self.topology.send_replace(Arc::new(next));
    }
}
