//! The masters with their connections, and which slot is whose.

use std::sync::Arc;

use tokio::time::Instant;

use super::endpoint::Address;
use super::wire::Wire;
use crate::store::{Health, StoreError};

/// Which masters there are, and which slots each serves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) masters: Vec<Address>,
    /// First slot, last slot, position among the masters. Empty where one server holds all.
    pub(super) ranges: Vec<(u16, u16, usize)>,
}

/// What became of the way to one master.
#[derive(Clone)]
pub(super) enum Way {
    Up {
        wire: Wire,
        /// What the check found.
        found: Arc<str>,
    },
    Down(Arc<str>),
}

/// The masters as they are. Replaced as a whole at every change.
#[derive(Clone)]
pub(crate) struct Topology {
    pub(super) layout: Layout,
    /// One for each master.
    pub(super) ways: Vec<Way>,
    /// Why and since when not everything can be reached.
    pub(super) down: Option<(Arc<str>, Instant)>,
}

impl Topology {
    /// What is known when nothing is: nobody can be reached.
    pub(super) fn lost(why: Arc<str>, since: Instant) -> Self {
        Self {
            layout: Layout::default(),
            ways: Vec::new(),
            down: Some((why, since)),
        }
    }

    pub(super) fn new(layout: Layout, ways: Vec<Way>, now: Instant) -> Self {
        let down = ways.iter().find_map(|way| match way {
            Way::Down(why) => Some((why.clone(), now)),
            Way::Up { .. } => None,
        });
        Self { layout, ways, down }
    }

    /// Where the masters are, also those that cannot be reached now.
    pub(crate) fn masters(&self) -> impl Iterator<Item = &Address> {
        self.layout.masters.iter()
    }

    /// Whether every master is reached.
    pub(crate) fn is_up(&self) -> bool {
        self.down.is_none()
    }

    /// Whether the masters and the slots of each are the same: whether a SCAN of all that began
    /// under one and ended under the other saw every key.
    pub(crate) fn same_places(&self, other: &Self) -> bool {
        self.layout == other.layout
    }

    pub(super) fn wires(&self) -> impl Iterator<Item = &Wire> {
        self.ways.iter().filter_map(|way| match way {
            Way::Up { wire, .. } => Some(wire),
            Way::Down(_) => None,
        })
    }

    pub(super) fn wire_to(&self, address: &Address) -> Option<Wire> {
        let mut wires = self.wires();
        wires.find(|wire| wire.to().address() == *address).cloned()
    }

    /// The connection for a slot, or any for none.
    pub(super) fn wire(&self, slot: Option<u16>) -> Result<&Wire, StoreError> {
        let (Some(slot), [_, ..]) = (slot, self.layout.ranges.as_slice()) else {
            return self.wires().next().ok_or_else(|| self.unavailable());
        };
        let mut ranges = self.layout.ranges.iter();
        let owner = ranges.find(|(first, last, _)| (*first..=*last).contains(&slot));
        match owner.and_then(|(_, _, at)| self.ways.get(*at)) {
            Some(Way::Up { wire, .. }) => Ok(wire),
            Some(Way::Down(why)) => Err(StoreError::Unavailable(why.to_string())),
            None => Err(StoreError::Unavailable(format!(
                "slot {slot} of the Cluster is served by no node: assign it with redis-cli --cluster fix"
            ))),
        }
    }

    /// Nothing, if every master is reached.
    pub(super) fn whole(&self) -> Result<(), StoreError> {
        match self.down {
            None => Ok(()),
            Some(_) => Err(self.unavailable()),
        }
    }

    fn unavailable(&self) -> StoreError {
        let why = self
            .down
            .as_ref()
            .map_or("no master is known", |(why, _)| why);
        StoreError::Unavailable(why.to_owned())
    }

    pub(super) fn health(&self) -> Health {
        match &self.down {
            None => Health::Up,
            Some((why, since)) => Health::Down {
                why: format!(
                    "{why} (for {} s now; it is tried again)",
                    since.elapsed().as_secs()
                ),
            },
        }
    }

    pub(super) fn found(&self) -> String {
        let each = self.layout.masters.iter().zip(&self.ways);
        let each = each.map(|(address, way)| match way {
            Way::Up { found, .. } => format!("{address}: {found}"),
            Way::Down(why) => why.to_string(),
        });
        let each: Vec<String> = each.collect();
        match (&self.down, each.is_empty()) {
            (Some((why, _)), true) => why.to_string(),
            _ => each.join("; "),
        }
    }
}
