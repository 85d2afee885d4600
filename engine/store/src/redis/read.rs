//! Reading entries, and judging them by what holds now.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::dependency::Verdict;
use larder_core::freshness::Windows;
use larder_core::{Dependency, Key, Timestamp, Version};
use redis::{Cmd, cmd};

use super::bans::Bans;
use super::envelope::{Stored, decode};
use super::reply;
use super::store::Inner;
use crate::judge;
use crate::store::{Expected, Found, StoreError, Token};

/// How much longer than its last noted read an entry may idle is its time to idle and this part
/// of it: reads are noted when so much has passed since the one noted.
const IDLE_PART: u64 = 8;
/// How much longer than it may be served an entry that idles is kept, in milliseconds. The end
/// of others is exact.
const IDLE_SLACK_MS: u64 = 60_000;

/// What holds now.
pub(super) struct Present {
    versions: Vec<(Dependency, Option<Version>)>,
    bans: Arc<Bans>,
}

impl Present {
    /// The windows of an entry; none where it must not be served any more. A version that is
    /// missing was lost, and nobody knows what was invalidated with it.
    pub(super) fn windows(&self, stored: &Stored, now: Timestamp) -> Option<Windows> {
        let Stored { entry, marks } = stored;
        let limit = entry.time_to_idle_ms;
        let limit = limit.saturating_add(limit / IDLE_PART);
        if judge::is_idle(limit, marks.read, now) {
            return None;
        }
        let versions = entry.dependencies.iter().map(|(of, version)| {
            let present = self.version(of);
            present.map_or(Verdict::Gone, |present| version.judge(present))
        });
        let bans = self.bans.judge(&entry.logical, marks.bans);
        judge::windows(entry.windows, marks.expired, versions.chain(bans), now)
    }

    /// The version of a dependency, if there is one.
    pub(super) fn version(&self, of: &Dependency) -> Option<Version> {
        let known = self.versions.iter().find(|(known, _)| known == of);
        known.and_then(|(_, version)| *version)
    }

    /// Whether all of these versions are the present ones.
    pub(super) fn has(&self, under: &[(Dependency, Version)]) -> bool {
        let present = |(of, version)| self.version(of) == Some(version);
        under
            .iter()
            .map(|(of, version)| (of, *version))
            .all(present)
    }

    pub(super) fn bans(&self) -> &Arc<Bans> {
        &self.bans
    }
}

impl Inner {
    /// One round trip: the entry, the versions that it is expected to depend on, and the number
    /// of the bans. A second one where it depends on more, or the bans changed.
    pub(super) async fn get(
        &self,
        key: &Key,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        let of = expected.dependencies();
        let mut commands = vec![get(&self.names.entry(key))];
        commands.extend(self.ask_present(&of));
        let mut answers = self.link.query_all(commands).await?.into_iter();
        let Some(bytes) = reply::bytes(answers.next().unwrap_or_default())? else {
            return Ok(None);
        };
        let Some(stored) = self.opened(key, &bytes).await else {
            return Ok(None);
        };
        let (mut versions, number) = told(of, answers)?;
        let more = stored.entry.dependencies.iter().map(|(of, _)| of);
        let more = more.filter(|of| versions.iter().all(|(known, _)| known != *of));
        let more: Vec<Dependency> = more.cloned().collect();
        let present = if more.is_empty() {
            let bans = self.bans_under(number).await?;
            Present { versions, bans }
        } else {
            let rest = self.present(more).await?;
            versions.extend(rest.versions);
            Present { versions, ..rest }
        };
        Ok(self.found(key, stored, &present, now).await)
    }

    /// The versions of `of` and the live bans, read now.
    pub(super) async fn present(&self, of: Vec<Dependency>) -> Result<Present, StoreError> {
        let commands = self.ask_present(&of).collect();
        let answers = self.link.query_all(commands).await?;
        let (versions, number) = told(of, answers.into_iter())?;
        let bans = self.bans_under(number).await?;
        Ok(Present { versions, bans })
    }

    /// The answer to one more command, in the same round trip as [`Inner::present`].
    pub(super) async fn with_present(
        &self,
        command: Cmd,
        of: Vec<Dependency>,
    ) -> Result<(redis::Value, Present), StoreError> {
        let commands = [command].into_iter().chain(self.ask_present(&of));
        let mut answers = self.link.query_all(commands.collect()).await?.into_iter();
        let answer = answers.next().unwrap_or_default();
        let (versions, number) = told(of, answers)?;
        let bans = self.bans_under(number).await?;
        Ok((answer, Present { versions, bans }))
    }

    /// What holds for an entry, read now.
    pub(super) async fn present_for(&self, stored: &Stored) -> Result<Present, StoreError> {
        let of = stored.entry.dependencies.iter();
        self.present(of.map(|(of, _)| of.clone()).collect()).await
    }

    fn ask_present<'a>(&'a self, of: &'a [Dependency]) -> impl Iterator<Item = Cmd> + 'a {
        let mut number = cmd("HGET");
        number.arg(self.names.bans()).arg("seq");
        let versions = of.iter().map(|of| get(&self.names.version(of)));
        versions.chain([number])
    }

    /// The entry in `bytes`. One that is damaged is a miss, and removed: a load replaces it, and
    /// one bad value must not be an outage. So is one that another build wrote in a format of its
    /// own, which a fill would replace anyway.
    pub(super) async fn opened(&self, key: &Key, bytes: &Bytes) -> Option<Stored> {
        let why = match decode(bytes) {
            Ok(stored) => return Some(stored),
            Err(why) => why.to_string(),
        };
        let error = StoreError::Corrupt {
            key: key.to_string(),
            why,
        };
        tracing::warn!("{error}; it is removed and counts as a miss");
        let mut remove = cmd("UNLINK");
        remove.arg(self.names.entry(key));
        if let Err(error) = self.link.query(remove).await {
            tracing::warn!("what is damaged could not be removed: {error}");
        }
        None
    }

    /// The entry, if `key` may have it; counts as use.
    pub(super) async fn found(
        &self,
        key: &Key,
        stored: Stored,
        present: &Present,
        now: Timestamp,
    ) -> Option<Found> {
        if !stored.entry.belongs_to(key) {
            return None;
        }
        let windows = present.windows(&stored, now)?;
        self.note_read(key, &stored, now).await;
        Some(Found {
            entry: Arc::new(stored.entry),
            windows,
        })
    }

    /// Notes a read of what may idle, at most once in an eighth of its time.
    async fn note_read(&self, key: &Key, stored: &Stored, now: Timestamp) {
        let limit = stored.entry.time_to_idle_ms;
        if limit == 0 || now.since(stored.marks.read) < limit / IDLE_PART {
            return;
        }
        let (name, id) = (self.names.entry(key), Token(stored.marks.id).to_string());
        let keep_ms = keep_ms(&stored.entry.windows, limit, now);
        let args = [&*id, &reply::exact(now.0), &reply::exact(keep_ms)];
        let noted = self.script(&self.scripts.touch, &[&name], &args).await;
        if let Err(error) = noted {
            tracing::debug!(key = %key, "a read was not noted, the entry may idle away early: {error}");
        }
    }
}

/// How long Redis keeps an entry, in milliseconds.
pub(super) fn keep_ms(windows: &Windows, time_to_idle_ms: u64, now: Timestamp) -> u64 {
    let left = windows.gone_at().since(now).max(1);
    if time_to_idle_ms == 0 {
        return left;
    }
    let idle = time_to_idle_ms.saturating_add(time_to_idle_ms / IDLE_PART);
    left.min(idle.saturating_add(IDLE_SLACK_MS))
}

fn get(name: &str) -> Cmd {
    let mut get = cmd("GET");
    get.arg(name);
    get
}

/// The versions and the number of the bans, from the answers to [`Inner::ask_present`].
fn told(
    of: Vec<Dependency>,
    mut answers: impl Iterator<Item = redis::Value>,
) -> Result<(Vec<(Dependency, Option<Version>)>, u64), StoreError> {
    let mut versions = Vec::with_capacity(of.len());
    for of in of {
        let version = reply::version(answers.next().unwrap_or_default())?;
        versions.push((of, version));
    }
    let number = reply::number(answers.next().unwrap_or_default())?;
    Ok((versions, number))
}
