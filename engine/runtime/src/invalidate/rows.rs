//! From rows to what a write of them makes stale.

use std::collections::HashMap;
use std::hash::Hash;

use larder_core::{Operation, Request};

use super::Invalidation;
use super::found::{Findings, RowFound};
use crate::engine::Inner;
use crate::error::Error;
use crate::stale;

/// After how many rows others get their turn: a policy at its deadline takes ten milliseconds.
const TURN: usize = 16;

/// An invalidation whose rows are spelled out.
pub(crate) struct Expanded {
    /// Names alone: those that were given, and behind them those of the rows, each once.
    pub(crate) what: Invalidation,
    /// Rows of which nobody can say everything, and why.
    pub(crate) undecided: Vec<Undecided>,
    given: Given,
    of_rows: Vec<Places>,
}

/// A row whose policy does not say what a write of it makes stale. What the engine keeps of it
/// under names of its own is in [`Expanded::what`] all the same.
pub(crate) struct Undecided {
    pub(crate) resource: String,
    pub(crate) id: String,
    pub(crate) error: Error,
}

/// How many names there were before those of the rows.
struct Given {
    keys: usize,
    tags: usize,
    namespaces: usize,
    patterns: usize,
}

/// Where the names of one row are in the whole.
#[derive(Default)]
struct Places {
    keys: Vec<usize>,
    tags: Vec<usize>,
    namespaces: Vec<usize>,
    patterns: Vec<usize>,
}

/// A list whose texts are found again.
struct Names<T> {
    all: Vec<T>,
    places: HashMap<T, usize>,
}

impl<T: Clone + Eq + Hash> Names<T> {
    fn new(given: Vec<T>) -> Self {
        let places = given.iter().cloned().zip(0..).collect();
        Self { all: given, places }
    }

    /// Where these names are, each once.
    fn places_of(&mut self, names: Vec<T>) -> Vec<usize> {
        let mut places: Vec<usize> = names.into_iter().map(|name| self.place_of(name)).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn place_of(&mut self, name: T) -> usize {
        let Self { all, places } = self;
        *places.entry(name).or_insert_with_key(|name| {
            all.push(name.clone());
            all.len() - 1
        })
    }
}

impl Inner {
    /// Spells out what a write of each row of `what` makes stale: asked of the policy of its route
    /// as for a write and as for a delete, since nobody says which of them it was.
    pub(crate) async fn expand(&self, mut what: Invalidation) -> Expanded {
        let rows = std::mem::take(&mut what.rows);
        let given = Given {
            keys: what.keys.len(),
            tags: what.tags.len(),
            namespaces: what.namespaces.len(),
            patterns: what.patterns.len(),
        };
        let mut keys = Names::new(what.keys);
        let mut tags = Names::new(what.tags);
        let mut namespaces = Names::new(what.namespaces);
        let mut patterns = Names::new(what.patterns);
        let (mut undecided, mut of_rows) = (Vec::new(), Vec::with_capacity(rows.len()));
        for (n, (resource, id)) in rows.into_iter().enumerate() {
            if n % TURN == TURN - 1 {
                tokio::task::yield_now().await;
            }
            let (stale, failed) = self.stale_of_row(&what.tenant, &resource, &id);
            of_rows.push(Places {
                keys: keys.places_of(stale.keys),
                tags: tags.places_of(stale.tags),
                namespaces: namespaces.places_of(stale.namespaces),
                patterns: patterns.places_of(stale.patterns),
            });
            undecided.extend(failed.map(|error| Undecided {
                resource,
                id,
                error,
            }));
        }
        Expanded {
            what: Invalidation {
                rows: Vec::new(),
                keys: keys.all,
                tags: tags.all,
                namespaces: namespaces.all,
                patterns: patterns.all,
                ..what
            },
            undecided,
            given,
            of_rows,
        }
    }

    /// What a change of one row makes stale, as far as that can be said, and why no further.
    fn stale_of_row(
        &self,
        tenant: &str,
        resource: &str,
        id: &str,
    ) -> (Invalidation, Option<Error>) {
        let mut all = Invalidation::default();
        let mut failed = None;
        for operation in [Operation::Write, Operation::Delete] {
            let request = Request::new(operation, resource, id).tenant(tenant);
            match self.decide_change(&request) {
                Ok((decision, on_failure)) => {
                    let stale = stale::beside_own_key(&request, &decision, on_failure);
                    all.keys.push(stale::own_key(&decision));
                    all.keys.extend(stale.keys);
                    all.tags.extend(stale.tags);
                    all.namespaces.extend(stale.namespaces);
                    all.patterns.extend(stale.patterns);
                }
                Err(error) => {
                    all.tags.extend(self.own_tags_of(&request));
                    failed = Some(error);
                }
            }
        }
        (all, failed)
    }
}

impl Expanded {
    /// What was found of the names that were given and of each row, from what was found of all.
    pub(super) fn findings(&self, mut found: Findings) -> Findings {
        let row = |places: &Places| {
            let keys = places.keys.iter().filter(|at| found.keys[**at]).count() as u64;
            let swept: u64 = places.patterns.iter().map(|at| found.patterns[*at]).sum();
            let known = places.tags.iter().any(|at| found.tags[*at])
                || places.namespaces.iter().any(|at| found.namespaces[*at]);
            RowFound {
                removed: keys + swept,
                known: known || keys + swept > 0,
            }
        };
        found.rows = self.of_rows.iter().map(row).collect();
        found.keys.truncate(self.given.keys);
        found.tags.truncate(self.given.tags);
        found.namespaces.truncate(self.given.namespaces);
        found.patterns.truncate(self.given.patterns);
        found
    }
}
