//! The versions of tags and namespaces.

use futures_util::future::try_join_all;
use larder_core::dependency::Mode;
use larder_core::{Dependency, Timestamp, Version};

use super::reply::{self, exact, typed};
use super::store::Inner;
use crate::store::{Step, StoreError};

impl Inner {
    /// Reads the versions, and makes those that are missing. The bans are looked at along with
    /// them, so that the lease which follows knows of all that its load comes after.
    pub(super) async fn versions(&self, of: &[Dependency]) -> Result<Vec<Version>, StoreError> {
        let present = self.present(of.to_vec()).await?;
        let all = of.iter().map(async |of| match present.version(of) {
            Some(version) => Ok(version),
            None => self.first_version(of).await,
        });
        try_join_all(all).await
    }

    async fn first_version(&self, of: &Dependency) -> Result<Version, StoreError> {
        let (name, expiries) = (self.names.version(of), self.names.expiries(of));
        let args = [&*exact(self.keep_version_ms())];
        let keys = [&*name, &expiries];
        let text = self.script(&self.scripts.version, &keys, &args).await?;
        reply::version(text)?.ok_or_else(|| damaged(of))
    }

    /// One script for each dependency, because each has a slot of its own.
    pub(super) async fn bump(
        &self,
        all: &[Dependency],
        mode: Mode,
        now: Timestamp,
    ) -> Result<Vec<Step>, StoreError> {
        try_join_all(all.iter().map(|of| self.bump_one(of, mode, now))).await
    }

    async fn bump_one(
        &self,
        of: &Dependency,
        mode: Mode,
        now: Timestamp,
    ) -> Result<Step, StoreError> {
        let (name, expiries) = (self.names.version(of), self.names.expiries(of));
        let now_us = exact(Version::next(0, now));
        let args = [mode.as_str(), &now_us, &exact(self.keep_version_ms())];
        let step = self
            .script(&self.scripts.bump, &[&name, &expiries], &args)
            .await?;
        let (before, after): (String, String) = typed(step)?;
        Ok(Step {
            // Of a version that was lost nobody knows more than that it was another one.
            before: reply::parse_version(&before).unwrap_or_default(),
            after: reply::parse_version(&after).ok_or_else(|| damaged(of))?,
        })
    }

    /// How long a version is kept. Those that were made together do not end together.
    fn keep_version_ms(&self) -> u64 {
        let keep = self.versions_keep_ms.max(1);
        keep.saturating_add(fastrand::u64(..=keep / 10))
    }
}

fn damaged(of: &Dependency) -> StoreError {
    StoreError::Corrupt {
        key: of.to_string(),
        why: "a version is two numbers with a colon between; delete the key, or invalidate it"
            .to_owned(),
    }
}
