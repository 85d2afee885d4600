//! A Cluster: which node serves which slots.

use std::sync::Arc;

use futures_util::future::join_all;
use parking_lot::Mutex;
use redis::{FromRedisValue, Value};
use tokio::sync::Notify;

use super::super::error::ConnectError;
use super::check::{ask, mode_of};
use super::diagnose::diagnose;
use super::dial::Dialer;
use super::endpoint::{Address, Endpoint};
use super::slot::SLOTS;
use super::topology::Layout;
use super::wire::Wire;

/// The nodes of a Cluster that may be asked about the others.
pub(super) struct Nodes {
    seeds: Vec<Endpoint>,
    /// Masters and replicas as last heard, for when every seed is gone.
    known: Mutex<Vec<Address>>,
}

impl Nodes {
    pub(super) fn new(seeds: Vec<Endpoint>) -> Self {
        let known = Mutex::new(Vec::new());
        Self { seeds, known }
    }

    pub(super) fn login(&self) -> Option<&Endpoint> {
        self.seeds.first()
    }

    pub(super) async fn locate(
        &self,
        dialer: &Dialer,
        alive: &[Wire],
    ) -> Result<Layout, ConnectError> {
        let mut failed = None;
        for wire in alive {
            match self.ask(wire).await {
                Ok(layout) => return Ok(layout),
                Err(error) => failed = Some(error),
            }
        }
        // Side by side, as each node that is away takes its whole time.
        let asked = self.candidates().into_iter().map(|at| async move {
            let wire = dial(dialer, &at).await?;
            self.ask(&wire).await
        });
        for asked in join_all(asked).await {
            match asked {
                Ok(layout) => return Ok(layout),
                // What does not heal by waiting is worth more than another refused connection.
                Err(error) if failed.as_ref().is_none_or(ConnectError::is_transient) => {
                    failed = Some(error);
                }
                Err(_) => {}
            }
        }
        let why = "no node is configured".to_owned();
        Err(failed.unwrap_or(ConnectError::ClusterDown { why }))
    }

    fn candidates(&self) -> Vec<Endpoint> {
        let mut all = self.seeds.clone();
        if let Some(login) = self.login() {
            for address in self.known.lock().iter() {
                if all.iter().all(|seed| seed.address() != *address) {
                    all.push(login.at(address));
                }
            }
        }
        all
    }

    /// One node's view of the Cluster; none if it says itself that it is cut off from the rest.
    async fn ask(&self, wire: &Wire) -> Result<Layout, ConnectError> {
        let mut info = redis::cmd("CLUSTER");
        info.arg("INFO");
        let info = ask(wire, &info).await?;
        let info = String::from_redis_value(info).unwrap_or_default();
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        let slots = ask(wire, &slots).await?;
        let (layout, nodes) = read_slots(slots, &wire.to().host);
        let served: usize = layout
            .ranges
            .iter()
            .map(|(a, b, _)| usize::from(b - a) + 1)
            .sum();
        if info.contains("cluster_state:fail") || layout.masters.is_empty() {
            let node = wire.to().address();
            return Err(ConnectError::ClusterDown {
                why: format!(
                    "{node} says that its state is fail, with {served} of {SLOTS} slots assigned: look at CLUSTER NODES there, assign slots that are missing with redis-cli --cluster fix"
                ),
            });
        }
        *self.known.lock() = nodes;
        Ok(layout)
    }
}

async fn dial(dialer: &Dialer, to: &Endpoint) -> Result<Wire, ConnectError> {
    let connection = match dialer.dial(to, None).await {
        Ok(connection) => connection,
        Err(error) => return Err(diagnose(dialer, to, error).await),
    };
    let wire = Wire::new(
        connection,
        to.clone(),
        dialer.limit,
        Arc::new(Notify::new()),
    );
    let address = to.address().to_string();
    match mode_of(&wire).await?.as_str() {
        "cluster" => Ok(wire),
        "sentinel" => Err(ConnectError::IsSentinel { address }),
        _ => Err(ConnectError::NotCluster { address }),
    }
}

/// The masters with their slots, and all nodes. `asked` stands for hosts that are not told.
fn read_slots(reply: Value, asked: &str) -> (Layout, Vec<Address>) {
    let mut layout = Layout::default();
    let mut nodes = Vec::new();
    let rows = Vec::<Vec<Value>>::from_redis_value(reply).unwrap_or_default();
    for row in rows {
        let mut row = row.into_iter();
        let mut slot = || row.next().and_then(|v| u16::from_redis_value(v).ok());
        let (Some(first), Some(last)) = (slot(), slot()) else {
            continue;
        };
        let serving: Vec<_> = row.filter_map(|node| read_node(node, asked)).collect();
        if let Some(master) = serving.first() {
            let at = layout.masters.iter().position(|known| known == master);
            let at = at.unwrap_or_else(|| {
                layout.masters.push(master.clone());
                layout.masters.len() - 1
            });
            layout.ranges.push((first, last, at));
        }
        nodes.extend(serving);
    }
    (layout, nodes)
}

fn read_node(node: Value, asked: &str) -> Option<Address> {
    let mut fields = Vec::<Value>::from_redis_value(node).ok()?.into_iter();
    let host = fields.next()?;
    let port = u16::from_redis_value(fields.next()?).ok()?;
    let host = String::from_redis_value(host).unwrap_or_default();
    let host = match host.as_str() {
        "" => asked.to_owned(),
        _ => host,
    };
    Some(Address { host, port })
}
