//! How much of the protocol one run explores.

use crate::state::Way;

/// The bounds of one run. Loads, reads, leases and holds that run out, evictions and link cuts
/// are bounded at any one moment and not in number: only the writes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// For tables.
    pub name: &'static str,
    /// How many nodes have a first level that is looked at, 1 or 2. Reads and first levels change
    /// nothing that another node sees, so one node stands for each of any number of nodes.
    pub nodes: usize,
    /// How many writes there are, in all.
    pub writes: usize,
    /// How they make the cache follow.
    pub ways: &'static [Way],
    /// How many loads are under way at once.
    pub loads: usize,
    /// How many reads of the store are under way at once on a node.
    pub reads: usize,
    /// What the nodes have in front of the store.
    pub first_level: FirstLevel,
    /// Whether states that differ in void entries alone are told apart.
    pub exact: bool,
}

/// What the nodes have in front of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstLevel {
    /// Nothing: every read asks the store.
    None,
    /// Copies, and a link that loses nothing.
    Linked,
    /// Copies, and a link that is cut and comes back any number of times.
    Cut,
}

impl Scope {
    /// A small scope, to be changed by struct update.
    pub const SMALL: Self = Self {
        name: "small",
        nodes: 1,
        writes: 2,
        ways: &[Way::Key],
        loads: 2,
        reads: 1,
        first_level: FirstLevel::Linked,
        exact: false,
    };
}
