//! What goes to the shared store, and what happens here around it.
//!
//! Changes are made there first and made known here after, before the caller has its answer:
//! a copy that is put in meanwhile was asked for before the change was known here, so it goes
//! with the rest, and one that was asked for later has seen the change. Making them known before
//! as well would gain nothing. What failed may have been done, or may be done yet, so it is made
//! known all the same; the push tells of what is done later.

use larder_core::dependency::Mode;
use larder_core::{Dependency, Entry, Key, Pattern, Placement, Timestamp, Version};

use super::TieredStore;
use super::island::{any_islands, is_islands};
use crate::store::{Expected, Filled, Found, LeaseRequest, Leased, Step, StoreError, Token};
use crate::sweep::Sweep;

const MEMORY_ONLY: &str = "a tiered store keeps no entry that only one process may have, as \
    nobody could tell it that the entry is outdated; place the entry in every_tier or shared_only";

const AWAY: &str = "it did not answer lately, and is asked again every 100 ms";

impl TieredStore {
    pub(super) async fn get_far(
        &self,
        key: &Key,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        if self.on_island() {
            return self.island.get(key, now).await;
        }
        let noted = self.near.note();
        match self.heard(self.far.get(key, expected, now).await) {
            Ok(found) => {
                self.near.keep(key, noted, found.as_ref(), now);
                Ok(found)
            }
            Err(error) => {
                or_refused(error)?;
                self.island.get(key, now).await
            }
        }
    }

    pub(super) async fn versions_far(&self, of: &[Dependency]) -> Result<Vec<Version>, StoreError> {
        if !self.on_island() {
            match self.heard(self.far.versions(of).await) {
                Ok(versions) => return Ok(versions),
                Err(error) => or_refused(error)?,
            }
        }
        self.island.versions(of).await
    }

    pub(super) async fn lease_far(&self, wish: LeaseRequest<'_>) -> Result<Leased, StoreError> {
        if !self.on_island() {
            match self.heard(self.far.lease(wish).await) {
                Ok(leased) => return Ok(leased),
                Err(error) => or_refused(error)?,
            }
        }
        self.island.lease(wish).await
    }

    pub(super) async fn holds_where(
        &self,
        key: &Key,
        token: Token,
        under: &[(Dependency, Version)],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if is_islands(token) {
            return self.island.holds(key, token, under, now).await;
        }
        if any_islands(under) {
            return Ok(false);
        }
        if self.on_island() {
            return Err(StoreError::Unavailable(AWAY.to_owned()));
        }
        self.heard(self.far.holds(key, token, under, now).await)
    }

    pub(super) async fn fill_where(
        &self,
        key: &Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Result<Filled, StoreError> {
        if is_islands(token) {
            return self.island.fill(key, token, entry, now).await;
        }
        if any_islands(&entry.dependencies) {
            self.release_where(key, token).await?;
            return Ok(Filled::Voided);
        }
        if entry.placement == Placement::MemoryOnly {
            self.release_where(key, token).await?;
            return Err(StoreError::Refused(MEMORY_ONLY.to_owned()));
        }
        let filled = self.far.fill(key, token, entry, now).await;
        self.near.key_changed(key.storage());
        self.heard(filled)
    }

    pub(super) async fn extend_where(
        &self,
        key: &Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if is_islands(token) {
            return self.island.extend(key, token, ttl_ms, now).await;
        }
        self.heard(self.far.extend(key, token, ttl_ms, now).await)
    }

    pub(super) async fn release_where(&self, key: &Key, token: Token) -> Result<(), StoreError> {
        if is_islands(token) {
            return self.island.release(key, token).await;
        }
        let released = self.far.release(key, token).await;
        self.near.claims_changed(key.storage());
        self.heard(released)
    }

    pub(super) async fn begin_write_far(
        &self,
        key: &Key,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Result<Token, StoreError> {
        let begun = self.far.begin_write(key, ttl_ms, now).await;
        self.near.key_changed(key.storage());
        let begun = self.heard(begun);
        if begun.is_err() {
            // Without a token nobody could end a write here, so only what it removes is removed.
            self.island.invalidate(key, Mode::Purge, now).await;
        }
        begun
    }

    pub(super) async fn invalidate_far(
        &self,
        key: &Key,
        mode: Mode,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let existed = self.far.invalidate(key, mode, now).await;
        self.near.key_changed(key.storage());
        let existed = self.heard(existed);
        if existed.is_err() {
            self.island.invalidate(key, mode, now).await;
        }
        existed
    }

    pub(super) async fn bump_far(
        &self,
        all: &[Dependency],
        mode: Mode,
        now: Timestamp,
    ) -> Result<Vec<Step>, StoreError> {
        let steps = self.far.bump(all, mode, now).await;
        for one in all {
            self.near.dependency_changed(one.as_str());
        }
        let steps = self.heard(steps);
        if steps.is_err() {
            self.island.bump(all, mode, now).await;
        }
        steps
    }

    pub(super) async fn note_written_far(
        &self,
        names: &[Dependency],
        keep_ms: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let noted = self.heard(self.far.note_written(names, keep_ms, now).await);
        if noted.is_err() {
            self.island.note_written(names, keep_ms, now).await;
        }
        noted
    }

    pub(super) async fn written_ago_far(
        &self,
        names: &[Dependency],
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        if !self.on_island() {
            match self.heard(self.far.written_ago(names, now).await) {
                Ok(ago) => return Ok(ago),
                Err(error) => or_refused(error)?,
            }
        }
        self.island.written_ago(names, now).await
    }

    pub(super) async fn ban_far(
        &self,
        pattern: &Pattern,
        mode: Mode,
        now: Timestamp,
    ) -> Result<Sweep, StoreError> {
        let sweep = self.far.ban(pattern, mode, now).await;
        self.near.all_changed();
        let sweep = self.heard(sweep);
        if sweep.is_err() {
            self.island.ban(pattern, mode, now).await;
        }
        sweep
    }

    fn on_island(&self) -> bool {
        self.island.answers_for(&*self.far)
    }

    /// What an answer of the shared store says of the shared store.
    fn heard<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        match &answer {
            Ok(_) => self.island.close(),
            Err(StoreError::Unavailable(_) | StoreError::Timeout { .. }) => self.island.open(),
            Err(_) => {}
        }
        answer
    }
}

/// Nothing where the shared store is away; what it refuses stays refused.
fn or_refused(error: StoreError) -> Result<(), StoreError> {
    match error {
        StoreError::Unavailable(_) | StoreError::Timeout { .. } => Ok(()),
        refused => Err(refused),
    }
}
