//! What is made stale once more when the origin has what was queued, for many changes at once.

use std::collections::HashSet;
use std::hash::Hash;

use futures_util::future::try_join_all;
use larder_core::dependency::Mode;
use larder_core::{Dependency, Key, Pattern};
use larder_store::StoreError;

use crate::engine::Inner;
use crate::error::Error;
use crate::invalidate::Invalidation;
use crate::variant;

/// How many keys are invalidated at once.
const AT_ONCE: usize = 64;

/// Everything that a batch makes stale, each once.
#[derive(Default)]
pub(super) struct Outdated {
    keys: Vec<Key>,
    dependencies: Vec<Dependency>,
    patterns: Vec<Pattern>,
}

impl Outdated {
    /// What these make stale together, with the `variants` of keys where there can be any.
    ///
    /// # Errors
    /// A pattern is none.
    pub(super) fn of<'a>(all: impl Iterator<Item = &'a Invalidation>) -> Result<Self, Error> {
        let mut outdated = Self::default();
        let mut patterns = HashSet::new();
        for what in all {
            let keys = what.keys.iter();
            let keys = keys.map(|(namespace, key)| Key::new(&what.tenant, namespace, key));
            outdated.keys.extend(keys);
            outdated.dependencies.extend(what.dependencies());
            let of_keys = variant::of_keys(&what.tenant, &what.keys);
            outdated.dependencies.extend(of_keys);
            for (namespace, glob) in &what.patterns {
                if patterns.insert((&what.tenant, namespace, glob)) {
                    let pattern = Pattern::new(&what.tenant, namespace, glob)?;
                    outdated.patterns.push(pattern);
                }
            }
        }
        once(&mut outdated.keys);
        once(&mut outdated.dependencies);
        Ok(outdated)
    }

    /// What is noted as written.
    fn written(&self, own: &[&Key]) -> Vec<Dependency> {
        let keys = self.keys.iter().chain(own.iter().copied());
        let patterns = self.patterns.iter();
        let namespace =
            |pattern: &Pattern| Dependency::namespace(pattern.tenant(), pattern.namespace());
        let mut all = self.dependencies.clone();
        all.extend(keys.map(Dependency::key));
        all.extend(patterns.map(namespace));
        once(&mut all);
        all
    }
}

fn once<T: Clone + Eq + Hash>(all: &mut Vec<T>) {
    let mut seen = HashSet::with_capacity(all.len());
    all.retain(|one| seen.insert(one.clone()));
}

impl Inner {
    /// Makes stale what a flush has outdated: whatever was loaded since the changes were queued
    /// may show the origin as it was before them. `own` are the keys of the changes.
    pub(super) async fn renew(&self, outdated: &Outdated, own: &[&Key]) -> Result<(), StoreError> {
        let _change = self.change();
        self.note_written(|| outdated.written(own)).await?;
        let now = self.clock.now();
        self.drop_entries(&outdated.keys).await?;
        for pattern in &outdated.patterns {
            self.store.ban(pattern, Mode::Purge, now).await?;
        }
        if !outdated.dependencies.is_empty() {
            let dependencies = &outdated.dependencies;
            self.store.bump(dependencies, Mode::Purge, now).await?;
        }
        Ok(())
    }

    /// Removes entries, many at once.
    pub(super) async fn drop_entries(&self, keys: &[Key]) -> Result<(), StoreError> {
        let _change = self.change();
        let now = self.clock.now();
        for some in keys.chunks(AT_ONCE) {
            let all = some.iter();
            let all: Vec<_> = all
                .map(|key| self.store.invalidate(key, Mode::Purge, now))
                .collect();
            try_join_all(all).await?;
        }
        Ok(())
    }
}
