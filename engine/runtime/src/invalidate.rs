//! Purge and expire by row, key, tag, namespace and pattern.

mod found;
pub(crate) mod rows;

use std::collections::VecDeque;
use std::sync::Arc;

use larder_core::dependency::Mode;
use larder_core::{Dependency, Key, Pattern, PatternError, Request, Target};
use larder_store::Sweep;
use parking_lot::Mutex;
use serde::Serialize;

use self::found::Done;
pub use self::found::{Findings, RowFound};
use crate::engine::Inner;
use crate::error::Error;
use crate::variant;

/// How many sweeps are remembered, so that their progress can be asked for.
const SWEEPS_KEPT: usize = 128;

/// What is to be made stale, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invalidation {
    /// Whose entries; empty where the deployment has one tenant.
    pub tenant: String,
    /// What a write of these rows would make stale: resource and id, as in a request. The policy
    /// of the resource's route says what that is, so nobody has to know its keys and tags.
    pub rows: Vec<(String, String)>,
    /// Single keys: the namespace, and the key inside it as the policy names it. Their variants, for
    /// queries that the policy does not tell, go with them; one alone is named as
    /// [`crate::Decided::shown_key`] shows it.
    pub keys: Vec<(String, String)>,
    /// Every entry that carries one of these tags.
    pub tags: Vec<String>,
    /// Every entry of these namespaces.
    pub namespaces: Vec<String>,
    /// Every entry whose key matches: the namespace, and a glob over the keys inside it, where `*`
    /// stands for any run of characters and `?` for one.
    pub patterns: Vec<(String, String)>,
    /// Remove, or leave to the stale windows.
    pub mode: Mode,
}

/// What an invalidation did. From the answer on, nothing that it names is served from before it.
#[derive(Clone, Debug, Default, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invalidated {
    /// Tags and namespaces that got a new version.
    pub bumped: u64,
    /// Entries that were there under the keys named, and those that patterns have removed so far.
    pub removed: u64,
    /// Patterns that hold.
    pub banned: u64,
    /// Whether everything is gone already. Where it is not, sweeps go on behind; what they have
    /// not reached yet is not served either.
    pub complete: bool,
    /// The sweeps that go on behind, by id.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub sweeps: Vec<Arc<str>>,
    /// What was there of each name; empty where a write was what made them stale.
    #[serde(skip)]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub found: Findings,
}

impl Invalidation {
    /// What a decision makes stale, its keys in the decision's namespace.
    pub(crate) fn of_targets(tenant: &str, namespace: &str, targets: &[Target]) -> Self {
        let mut all = Self {
            tenant: tenant.to_owned(),
            ..Self::default()
        };
        for target in targets {
            match target {
                Target::Key(key) => all.keys.push((namespace.to_owned(), key.clone())),
                Target::Tag(tag) => all.tags.push(tag.clone()),
                Target::Namespace(name) => all.namespaces.push(name.clone()),
                Target::Pattern(glob) => {
                    all.patterns.push((namespace.to_owned(), glob.clone()));
                }
            }
        }
        all
    }

    /// All of it without its patterns, and each of these alone.
    pub(crate) fn patterns_apart(mut self) -> (Self, Vec<Self>) {
        let patterns = std::mem::take(&mut self.patterns).into_iter();
        let alone = |pattern| Self {
            tenant: self.tenant.clone(),
            patterns: vec![pattern],
            mode: self.mode,
            ..Self::default()
        };
        let apart = patterns.map(alone).collect();
        (self, apart)
    }

    /// The keys with the patterns, and the tags with the namespaces.
    pub(crate) fn split(mut self) -> (Self, Self) {
        let keys = Self {
            tenant: self.tenant.clone(),
            keys: std::mem::take(&mut self.keys),
            patterns: std::mem::take(&mut self.patterns),
            mode: self.mode,
            ..Self::default()
        };
        (keys, self)
    }

    /// Whether it can be done at all, before a write is.
    pub(crate) fn check(&self) -> Result<(), PatternError> {
        self.patterns().map(drop)
    }

    fn patterns(&self) -> Result<Vec<Pattern>, PatternError> {
        let patterns = self.patterns.iter();
        patterns
            .map(|(namespace, glob)| Pattern::new(&self.tenant, namespace, glob))
            .collect()
    }

    /// The tags and namespaces as dependencies.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let tags = self
            .tags
            .iter()
            .map(|tag| Dependency::tag(&self.tenant, tag));
        let namespaces = self.namespaces.iter();
        let namespaces = namespaces.map(|name| Dependency::namespace(&self.tenant, name));
        tags.chain(namespaces).collect()
    }
}

/// The latest sweeps.
#[derive(Default)]
pub(crate) struct Sweeps(Mutex<VecDeque<Sweep>>);

impl Sweeps {
    fn keep(&self, sweep: Sweep) {
        let mut all = self.0.lock();
        if all.len() == SWEEPS_KEPT {
            all.pop_front();
        }
        all.push_back(sweep);
    }

    pub(crate) fn find(&self, id: &str) -> Option<Sweep> {
        self.0.lock().iter().find(|one| &**one.id() == id).cloned()
    }
}

impl Inner {
    /// Makes everything stale that is named, rows among it, and says what was there of each name.
    pub(crate) async fn invalidate_rows(&self, what: &Invalidation) -> Result<Invalidated, Error> {
        what.patterns()?;
        for (resource, id) in &what.rows {
            Request::write(resource, id)
                .tenant(&what.tenant)
                .validate()?;
        }
        let mut all = self.expand(what.clone()).await;
        if !all.undecided.is_empty() {
            return Err(all.undecided.swap_remove(0).error);
        }
        let done = self.written(&all.what).await?;
        self.meters.invalidated("row", what.rows.len() as u64);
        let found = all.findings(done.found(&all.what));
        Ok(Invalidated {
            found,
            ..self.invalidated(&all.what, done)
        })
    }

    /// Makes the keys, tags, namespaces and patterns of `what` stale.
    pub(crate) async fn invalidate(&self, what: &Invalidation) -> Result<Invalidated, Error> {
        let done = self.written(what).await?;
        Ok(self.invalidated(what, done))
    }

    /// Makes stale what somebody has written, as an invalidation tells.
    async fn written(&self, what: &Invalidation) -> Result<Done, Error> {
        // Refused before it is noted.
        what.check()?;
        self.note_written(|| what.written()).await?;
        self.make_stale(what).await
    }

    /// Makes stale what is noted as written otherwise.
    pub(crate) async fn make_stale(&self, what: &Invalidation) -> Result<Done, Error> {
        let _change = self.change();
        let now = self.clock.now();
        // Everything that can be refused is, before anything is done; and keys come first: an entry
        // whose tag has been bumped no longer counts as removed.
        let mut done = self.remove(what).await?;
        let outdated = self.outdated(what);
        done.steps = self.store.bump(&outdated, what.mode, now).await?;
        // Of the names alone, not of the variants behind them.
        done.steps.truncate(what.tags.len() + what.namespaces.len());
        self.count_invalidated(what);
        Ok(done)
    }

    /// What gets a new version: the tags, the namespaces, and behind them the variants of the keys.
    pub(crate) fn outdated(&self, what: &Invalidation) -> Vec<Dependency> {
        let mut all = what.dependencies();
        all.extend(variant::of_keys(&what.tenant, &what.keys));
        all
    }

    /// Removes the keys, and bans the patterns; tags and namespaces are not looked at.
    pub(crate) async fn remove(&self, what: &Invalidation) -> Result<Done, Error> {
        let now = self.clock.now();
        let patterns = what.patterns()?;
        let mut done = Done::default();
        for (namespace, key) in &what.keys {
            let whole = Key::new(&what.tenant, namespace, key);
            let mut there = self.store.invalidate(&whole, what.mode, now).await?;
            if let Some((key, query)) = variant::named(key) {
                let variant = Key::of(&what.tenant, namespace, key, Some(query));
                there |= self.store.invalidate(&variant, what.mode, now).await?;
            }
            done.keys.push(there);
        }
        for pattern in &patterns {
            done.patterns
                .push(self.store.ban(pattern, what.mode, now).await?);
        }
        Ok(done)
    }

    pub(crate) fn invalidated(&self, what: &Invalidation, done: Done) -> Invalidated {
        let removed = done.removed();
        let mut sweeps = Vec::new();
        let banned = done.patterns.len() as u64;
        for sweep in done.patterns {
            if !sweep.progress().complete {
                sweeps.push(Arc::clone(sweep.id()));
                self.sweeps.keep(sweep);
            }
        }
        Invalidated {
            bumped: (variant::count_named(&what.tags) + what.namespaces.len()) as u64,
            removed,
            banned,
            complete: sweeps.is_empty(),
            sweeps,
            found: Findings::default(),
        }
    }

    pub(crate) fn count_invalidated(&self, what: &Invalidation) {
        for (kind, count) in [
            ("key", what.keys.len()),
            ("tag", what.tags.len()),
            ("namespace", what.namespaces.len()),
            ("pattern", what.patterns.len()),
        ] {
            self.meters.invalidated(kind, count as u64);
        }
    }
}
