//! Purge and expire by key, tag and namespace.

use larder_core::dependency::Mode;
use larder_core::{Dependency, Key, Target};
use serde::Serialize;

use crate::engine::Inner;
use crate::error::Error;

/// What is answered to patterns.
pub const NO_PATTERNS: &str = "invalidation by pattern is not there yet; invalidate by \
    namespace, or give the entries a tag and invalidate by that";

/// What is to be made stale, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Invalidation {
    /// Whose entries; empty where the deployment has one tenant.
    pub tenant: String,
    /// Single entries: the namespace, and the key inside it as the policy names it.
    pub keys: Vec<(String, String)>,
    /// Every entry that carries one of these tags.
    pub tags: Vec<String>,
    /// Every entry of these namespaces.
    pub namespaces: Vec<String>,
    /// Remove, or leave to the stale windows.
    pub mode: Mode,
}

/// What an invalidation did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Invalidated {
    /// Tags and namespaces that got a new version.
    pub bumped: u64,
    /// Entries that were there under the keys named.
    pub removed: u64,
    /// Whether all that was asked for holds now.
    pub complete: bool,
}

impl Invalidation {
    /// What a decision makes stale, its keys in the decision's namespace.
    pub(crate) fn of_targets(
        tenant: &str,
        namespace: &str,
        targets: &[Target],
    ) -> Result<Self, Error> {
        let mut all = Self {
            tenant: tenant.to_owned(),
            ..Self::default()
        };
        for target in targets {
            match target {
                Target::Key(key) => all.keys.push((namespace.to_owned(), key.clone())),
                Target::Tag(tag) => all.tags.push(tag.clone()),
                Target::Namespace(name) => all.namespaces.push(name.clone()),
                Target::Pattern(_) => return Err(Error::Unsupported(NO_PATTERNS)),
            }
        }
        Ok(all)
    }

    /// The keys, and the tags and namespaces.
    pub(crate) fn split(mut self) -> (Self, Self) {
        let keys = Self {
            tenant: self.tenant.clone(),
            keys: std::mem::take(&mut self.keys),
            mode: self.mode,
            ..Self::default()
        };
        (keys, self)
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

impl Inner {
    pub(crate) async fn invalidate(&self, what: &Invalidation) -> Result<Invalidated, Error> {
        let now = self.clock.now();
        let dependencies = what.dependencies();
        // Keys first: an entry whose tag has been bumped no longer counts as removed.
        let mut removed = 0;
        for (namespace, key) in &what.keys {
            let key = Key::new(&what.tenant, namespace, key);
            removed += u64::from(self.store.invalidate(&key, what.mode, now).await?);
        }
        self.store.bump(&dependencies, what.mode, now).await?;
        self.count_invalidated(what);
        Ok(Invalidated {
            bumped: dependencies.len() as u64,
            removed,
            complete: true,
        })
    }

    pub(crate) fn count_invalidated(&self, what: &Invalidation) {
        for (kind, count) in [
            ("key", what.keys.len()),
            ("tag", what.tags.len()),
            ("namespace", what.namespaces.len()),
        ] {
            self.meters.invalidated(kind, count as u64);
        }
    }
}
