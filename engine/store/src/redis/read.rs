//! Reading entries, and judging them by what holds now.

use std::sync::Arc;

use bytes::Bytes;
use larder_core::dependency::Verdict;
use larder_core::freshness::Windows;
use larder_core::{Dependency, Key, Timestamp, Version};
use redis::{Cmd, Value, cmd};

use super::told::Told;

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

/// Dependencies with their versions, none where there is none.
type Versions = Vec<(Dependency, Option<Told>)>;

/// How often an entry is read while the bans change.
const ATTEMPTS: usize = 3;

/// What holds now.
pub(super) struct Present {
    versions: Versions,
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
            let present = self.told(of);
            present.map_or(Verdict::Gone, |present| present.judge(*version))
        });
        let bans = self.bans.judge(&entry.logical, marks.bans);
        judge::windows(entry.windows, marks.expired, versions.chain(bans), now)
    }

    /// The version of a dependency, if there is one.
    pub(super) fn version(&self, of: &Dependency) -> Option<Version> {
        self.told(of).map(|told| told.version)
    }

    fn told(&self, of: &Dependency) -> Option<&Told> {
        let known = self.versions.iter().find(|(known, _)| known == of);
        known.and_then(|(_, told)| told.as_ref())
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
    /// The entry, judged. Where the bans change faster than they can be read, that is a miss.
    pub(super) async fn get(
        &self,
        key: &Key,
        expected: Expected<'_>,
        now: Timestamp,
    ) -> Result<Option<Found>, StoreError> {
        let mut entry = cmd("GET");
        entry.arg(self.names.entry(key));
        for _ in 0..ATTEMPTS {
            let asked = self.with_present(&entry, expected.dependencies()).await;
            let (bytes, present) = match asked {
                Err(StoreError::Refused(_)) if self.displaced(key).await => return Ok(None),
                asked => asked?,
            };
            let Some(bytes) = reply::bytes(bytes)? else {
                return Ok(None);
            };
            let Some(stored) = self.opened(key, &bytes).await else {
                return Ok(None);
            };
            let Some(mut present) = present else {
                continue;
            };
            self.add_versions(&mut present, &stored).await?;
            return Ok(self.found(key, stored, &present, now).await);
        }
        Ok(None)
    }

    /// The answer to a command, and what holds, in one round trip, or two where the bans changed.
    ///
    /// The number of the bans is read before anything that is judged by them: a ban that leaves
    /// the list was there as long as anything that it banned, so the list of that number knows
    /// of it. A later list may not, and is none.
    pub(super) async fn with_present(
        &self,
        command: &Cmd,
        of: Vec<Dependency>,
    ) -> Result<(Value, Option<Present>), StoreError> {
        let versions = of.iter().map(|of| self.ask_version(of));
        let first = [self.ask_bans(), command.clone()];
        let commands = first.into_iter().chain(versions).collect();
        let mut answers = self.link.query_all(commands).await?.into_iter();
        let number = reply::number(answers.next().unwrap_or_default())?;
        let answer = answers.next().unwrap_or_default();
        let versions = told(of, answers)?;
        let bans = self.bans_under(number).await?;
        let bans = Some(bans).filter(|bans| bans.number == number);
        Ok((answer, bans.map(|bans| Present { versions, bans })))
    }

    /// The versions of `of` and the live bans, read now, for what was not read before them.
    pub(super) async fn present(&self, of: Vec<Dependency>) -> Result<Present, StoreError> {
        let versions = of.iter().map(|of| self.ask_version(of));
        let commands = [self.ask_bans()].into_iter().chain(versions).collect();
        let mut answers = self.link.query_all(commands).await?.into_iter();
        let number = reply::number(answers.next().unwrap_or_default())?;
        let versions = told(of, answers)?;
        let bans = self.bans_under(number).await?;
        Ok(Present { versions, bans })
    }

    /// Reads the versions that an entry has beyond those that it was expected to.
    async fn add_versions(&self, present: &mut Present, stored: &Stored) -> Result<(), StoreError> {
        let of = stored.entry.dependencies.iter().map(|(of, _)| of);
        let known = |of: &&Dependency| present.versions.iter().any(|(known, _)| known == *of);
        let more: Vec<_> = of.filter(|of| !known(of)).cloned().collect();
        if more.is_empty() {
            return Ok(());
        }
        let asked = more.iter().map(|of| self.ask_version(of)).collect();
        let answers = self.link.query_all(asked).await?.into_iter();
        present.versions.extend(told(more, answers)?);
        Ok(())
    }

    fn ask_bans(&self) -> Cmd {
        let mut number = cmd("HGET");
        number.arg(self.names.bans()).arg("seq");
        number
    }

    fn ask_version(&self, of: &Dependency) -> Cmd {
        let mut version = cmd("MGET");
        version.arg(self.names.version(of));
        version.arg(self.names.expiries(of));
        version
    }

    /// The entry in `bytes`. One that is damaged is a miss, and removed: a load replaces it, and
    /// one bad value must not be an outage. So is one that another build wrote in a format of its
    /// own, which a fill would replace anyway.
    async fn opened(&self, key: &Key, bytes: &Bytes) -> Option<Stored> {
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

    /// Removes what no fill has put where the entry of `key` belongs, a list or a hash of another
    /// program; answers whether there was such a thing.
    pub(super) async fn displaced(&self, key: &Key) -> bool {
        let name = self.names.entry(key);
        let mut kind = cmd("TYPE");
        kind.arg(&name);
        let kind = self.link.query(kind).await.and_then(reply::typed::<String>);
        let Some(kind) = kind.ok().filter(|kind| kind != "string" && kind != "none") else {
            return false;
        };
        tracing::warn!(
            "`{name}` is a {kind}, which no Larder has put there: it is removed and counts as a \
             miss; give the other program, or Larder, another prefix"
        );
        let mut remove = cmd("UNLINK");
        remove.arg(&name);
        self.link.query(remove).await.is_ok()
    }

    /// The entry, if `key` may have it; counts as use.
    async fn found(
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
        let read = stored.marks.read;
        self.note_read(key, &stored, now).await;
        Some(Found {
            entry: Arc::new(stored.entry),
            windows,
            read,
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

/// The versions, from the answers.
fn told(of: Vec<Dependency>, answers: impl Iterator<Item = Value>) -> Result<Versions, StoreError> {
    let versions = answers.map(Told::of);
    of.into_iter()
        .zip(versions)
        .map(|(of, version)| Ok((of, version?)))
        .collect()
}
