//! Sealing on the way into the store, opening on the way out. Everything that reads or fills
//! entries goes through here.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use futures_util::future::{BoxFuture, Either};
use larder_core::{Entry, NotStored, Timestamp, Value};
use larder_store::{Expected, Found, LeaseRequest, Leased, StoreError};
use parking_lot::Mutex;

use super::Vault;
use super::cipher::{self, Binding, Of, Plain};
use crate::decide::Job;
use crate::engine::Inner;
use crate::route::Older;

/// How often an entry that cannot be read is shown to the store as seen, while others keep storing
/// newer ones that cannot be read either.
const ATTEMPTS: usize = 8;

/// How many ids are logged. They come from the store, so there may be any number.
const LOGGED_MAX: usize = 64;

/// What is under a key, as far as this engine can read it.
pub(crate) enum Sight {
    /// An entry with its value in the clear.
    Entry(Found),
    /// Nothing.
    Nothing,
    /// An entry stored then that may be overwritten: it does not open, should have
    /// been sealed and is not, or is not of the type that is asked for.
    Unreadable(Timestamp),
}

/// Why an entry cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unreadable {
    UnknownKey,
    DoesNotOpen,
    NotSealed,
    NoSuchType,
}

impl Unreadable {
    const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownKey => "unknown_key",
            Self::DoesNotOpen => "does_not_open",
            Self::NotSealed => "not_sealed",
            Self::NoSuchType => "does_not_decode",
        }
    }
}

/// The vault of an engine, if it has one, and what it has complained of.
#[derive(Default)]
pub(crate) struct Seals {
    pub(super) vault: Option<Arc<Vault>>,
    logged: Mutex<HashSet<(&'static str, Arc<str>)>>,
    /// The policies whose values could not be encrypted for want of it.
    missed: Mutex<BTreeSet<Arc<str>>>,
}

impl Seals {
    pub(crate) fn new(vault: Option<Arc<Vault>>) -> Self {
        for result in ["ok", "failed"].into_iter().filter(|_| vault.is_some()) {
            let _ = metrics::counter!("larder_key_ring_reloads_total", "result" => result);
        }
        Self {
            vault,
            ..Self::default()
        }
    }

    /// Notes that there should be a vault.
    pub(crate) fn missed_by(&self, policy: &Arc<str>) {
        if self.missed.lock().insert(Arc::clone(policy)) {
            tracing::error!(%policy, "values are to be encrypted and there is no key ring, so none is cached");
        }
    }

    /// Who would need a vault, as far as it has shown.
    pub(crate) fn missed(&self) -> Vec<String> {
        self.missed.lock().iter().map(ToString::to_string).collect()
    }

    pub(crate) fn are_there(&self) -> bool {
        self.vault.is_some()
    }

    /// The entry with its value sealed by the active key.
    fn seal(&self, mut entry: Entry) -> Result<Entry, NotStored> {
        let ring = self.vault.as_ref().ok_or(NotStored::NoKeyRing)?.ring();
        let id = ring.active();
        let cipher = ring.cipher(id).ok_or(NotStored::NoKeyRing)?;
        let nonce = fresh_nonce().ok_or(NotStored::NoKeyRing)?;
        let plain = Plain {
            value: entry.value.take(),
            absent: entry.absent.take(),
        };
        let value = plain.value.as_ref();
        let content_type = value.and_then(|value| value.content_type.clone());
        let binding = Binding {
            logical: &entry.logical,
            content_type: content_type.as_deref(),
            of: Of::Entry(&entry.windows),
        };
        let sealed = cipher::seal(cipher, nonce, &binding, &plain);
        entry.value = Some(Value {
            bytes: sealed.ok_or(NotStored::TooLarge)?,
            content_type,
            head: None,
        });
        entry.sealed = Some(Arc::clone(id));
        Ok(entry)
    }

    /// The entry with its value in the clear.
    fn open(&self, job: &Job, found: Found) -> Result<Found, Unreadable> {
        let Some(id) = &found.entry.sealed else {
            // It was stored before the policy or the guard asked for encryption.
            return match job.decision().encrypt {
                true => Err(Unreadable::NotSealed),
                false => Ok(found),
            };
        };
        let ring = self.vault.as_ref().ok_or(Unreadable::UnknownKey)?.ring();
        let cipher = ring.cipher(id).ok_or(Unreadable::UnknownKey)?;
        let value = found.entry.value.as_ref().ok_or(Unreadable::DoesNotOpen)?;
        let binding = Binding {
            logical: job.key.logical(),
            content_type: value.content_type.as_deref(),
            of: Of::Entry(&found.entry.windows),
        };
        let opened = cipher::open(cipher, &binding, &value.bytes);
        let opened = opened.ok_or(Unreadable::DoesNotOpen)?;
        let entry = Entry {
            value: opened.value.map(|opened| Value {
                content_type: value.content_type.clone(),
                ..opened
            }),
            absent: opened.absent,
            ..(*found.entry).clone()
        };
        Ok(Found {
            entry: Arc::new(entry),
            windows: found.windows,
            read: found.read,
        })
    }

    /// Whether this is to be logged now: once for each id and way of failing.
    fn is_news(&self, why: Unreadable, id: &Arc<str>) -> bool {
        let mut logged = self.logged.lock();
        logged.len() < LOGGED_MAX && logged.insert((why.as_str(), Arc::clone(id)))
    }
}

pub(super) fn fresh_nonce() -> Option<[u8; 24]> {
    let mut nonce = [0; 24];
    let filled = getrandom::fill(&mut nonce).inspect_err(|error| {
        tracing::error!("nothing can be encrypted, the system has no random bytes: {error}");
    });
    filled.ok().map(|()| nonce)
}

impl Inner {
    /// What the store has under the job's key.
    pub(crate) async fn find(&self, job: &Job, now: Timestamp) -> Result<Sight, StoreError> {
        let found = match self.store.get(&job.key, job.expected(), now) {
            // From memory, at once.
            Either::Left(found) => found.into_inner(),
            Either::Right(found) => {
                let shared = || self.look_for_all(job);
                self.looks.ask(job.key.storage(), found, shared).await
            }
        };
        Ok(match found? {
            None => Sight::Nothing,
            Some(found) => self
                .open(job, found, now)
                .map_or_else(Sight::Unreadable, Sight::Entry),
        })
    }

    /// The question what is under the job's key, for whoever waits for it. It is asked at the time
    /// of its asking: each of them judges the answer by its own.
    fn look_for_all(&self, job: &Job) -> BoxFuture<'static, Result<Option<Found>, StoreError>> {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        let (key, tenant) = (job.key.clone(), job.request.tenant.clone());
        let (namespace, tags) = (
            job.decision().namespace.clone(),
            job.decision().tags.clone(),
        );
        let (origin, variants) = (job.route.whole.clone(), job.variants.clone());
        Box::pin(async move {
            let expected = Expected {
                tenant: &tenant,
                namespace: &namespace,
                tags: &tags,
                origin: origin.as_ref(),
                variants: variants.as_ref(),
            };
            store.get(&key, expected, clock.now()).await
        })
    }

    /// Asks for the lease of the job's key. An entry that cannot be read is no reason to refuse it.
    pub(crate) async fn ask_lease(
        &self,
        job: &Job,
        mut wish: LeaseRequest<'_>,
    ) -> Result<Leased, StoreError> {
        for _ in 0..ATTEMPTS {
            match self.store.lease(wish).await? {
                Leased::Stored(found) => match self.open(job, found, wish.now) {
                    Ok(found) => return Ok(Leased::Stored(found)),
                    Err(created) => wish.seen = Some(created),
                },
                answer => return Ok(answer),
            }
        }
        let why = "others keep storing values under keys that this node's key ring does not have";
        Err(StoreError::Refused(why.to_owned()))
    }

    /// The entry as it goes to the store.
    pub(crate) fn seal(&self, job: &Job, entry: Entry) -> Result<Entry, NotStored> {
        match job.decision().encrypt {
            true => self.seals.seal(entry),
            false => Ok(entry),
        }
    }

    /// Whether the entry was made by a build of the policy that does not decide any more.
    fn retires(&self, job: &Job, entry: &Entry) -> bool {
        let decided = &job.decided;
        self.retire
            && decided.fallback.is_none()
            && entry.policy.revision != decided.policy.revision
    }

    /// Whether the entry lasts no longer than the decision makes it: another build
    /// has made it, or the same one under other settings.
    fn shortens(job: &Job, entry: &Entry) -> bool {
        let decided = &job.decided;
        let same = Arc::ptr_eq(&entry.policy, &decided.policy);
        if same || decided.fallback.is_some() || entry.policy.decides_as(&decided.policy) {
            return false;
        }
        match job.route.described.older {
            Older::Stored => false,
            Older::Shorter => true,
            Older::ShorterUnlessAdmitted => {
                let policy = job.policy();
                policy.is_none_or(|policy| !policy.manifest().admits)
            }
        }
    }

    /// Whether the entry is from before its origin had an outbox: where that has missed something,
    /// such an entry would not be reached.
    fn is_out_of_reach(job: &Job, entry: &Entry) -> bool {
        let mut all = entry.dependencies.iter();
        let whole = job.route.whole.as_ref();
        whole.is_some_and(|whole| !all.any(|(of, _)| of == whole))
    }

    /// The entry as it is served at `now`, or when the one was stored that is not.
    fn open(&self, job: &Job, found: Found, now: Timestamp) -> Result<Found, Timestamp> {
        let mut found = self.in_the_clear(job, found)?;
        if Self::shortens(job, &found.entry) {
            let (freshness, absent) = (&job.decision().freshness, found.entry.value.is_none());
            found.windows = found.windows.at_most(freshness, absent);
            let idle = freshness.time_to_idle_ms;
            let idled = idle != 0 && now.since(found.read) >= idle;
            if idled || found.windows.gone_at() <= now {
                self.meters.unreadable("shortened");
                return Err(found.entry.windows.created);
            }
        }
        Ok(found)
    }

    fn in_the_clear(&self, job: &Job, found: Found) -> Result<Found, Timestamp> {
        let created = found.entry.windows.created;
        if Self::is_out_of_reach(job, &found.entry) {
            self.meters.unreadable("before_outbox");
            return Err(created);
        }
        if self.retires(job, &found.entry) {
            self.meters.unreadable("retired");
            return Err(created);
        }
        let id = found.entry.sealed.clone();
        let opened = self.seals.open(job, found).and_then(|found| {
            let fits = match (&job.check, &found.entry.value) {
                (Some(check), Some(value)) => check(value),
                _ => true,
            };
            fits.then_some(found).ok_or(Unreadable::NoSuchType)
        });
        opened.map_err(|why| {
            self.meters.unreadable(why.as_str());
            let of_the_key = why != Unreadable::NoSuchType;
            if let Some(id) = id.filter(|id| of_the_key && self.seals.is_news(why, id)) {
                let id = larder_core::request::clip(&id);
                let why = why.as_str();
                tracing::warn!(key = %job.key, id, why, "an encrypted entry cannot be read and counts as a miss");
            }
            created
        })
    }
}
