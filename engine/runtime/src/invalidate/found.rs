//! What an invalidation found of each name.

use larder_core::Version;
use larder_store::{Step, Sweep};

use super::Invalidation;

/// What was there of each name, in the order in which an [`Invalidation`] gives them.
///
/// A name is known while the store keeps a version of it: since a load or an invalidation named it
/// last, at least ten minutes in memory and, in Redis, as long as any entry may live. A tag that
/// is not known is one that no entry carries, so perhaps it is not spelled as the policy spells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Of each row.
    pub rows: Vec<RowFound>,
    /// Whether there was an entry under each key.
    pub keys: Vec<bool>,
    /// Whether each tag was known.
    pub tags: Vec<bool>,
    /// Whether each namespace was known.
    pub namespaces: Vec<bool>,
    /// How many entries each pattern has removed so far.
    pub patterns: Vec<u64>,
}

/// What was there of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowFound {
    /// Entries that were there under the keys that a write of the row makes stale, and those that
    /// its patterns have removed so far.
    pub removed: u64,
    /// Whether any of its keys, patterns, tags and namespaces was known.
    pub known: bool,
}

/// What the store answered, in the order of the names.
#[derive(Default)]
pub(crate) struct Done {
    pub(super) keys: Vec<bool>,
    pub(super) patterns: Vec<Sweep>,
    /// Of the tags, then of the namespaces.
    pub(super) steps: Vec<Step>,
}

impl Done {
    pub(super) fn removed(&self) -> u64 {
        let keys = self.keys.iter().filter(|there| **there).count() as u64;
        let swept = self.patterns.iter().map(|sweep| sweep.progress().removed);
        keys + swept.sum::<u64>()
    }

    /// What was there of all the names of `what`, its rows aside.
    pub(super) fn found(&self, what: &Invalidation) -> Findings {
        let known: Vec<bool> = self.steps.iter().map(known).collect();
        let (tags, namespaces) = known.split_at(what.tags.len().min(known.len()));
        let swept = self.patterns.iter().map(|sweep| sweep.progress().removed);
        Findings {
            rows: Vec::new(),
            keys: self.keys.clone(),
            tags: tags.to_vec(),
            namespaces: namespaces.to_vec(),
            patterns: swept.collect(),
        }
    }
}

/// A store that keeps no version of a name answers that there was none before.
fn known(step: &Step) -> bool {
    step.before != Version::default()
}
