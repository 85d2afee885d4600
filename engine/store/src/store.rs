//! The seam to stores.

use std::fmt;
use std::sync::Arc;

use futures_util::future::{BoxFuture, Either, Ready};
use larder_core::dependency::Mode;
use larder_core::freshness::Windows;
use larder_core::{Clock, Dependency, Entry, Key, Pattern, Timestamp, Version};

use crate::sweep::Sweep;

/// The answer of a store: at once from memory, without an allocation, or from afar.
pub type Answer<'a, T> = Either<Ready<Result<T, StoreError>>, BoxFuture<'a, Result<T, StoreError>>>;

/// An answer that is there already.
pub fn ready<'a, T>(answer: T) -> Answer<'a, T> {
    Either::Left(futures_util::future::ready(Ok(answer)))
}

/// An answer that has to be waited for.
pub fn later<'a, T>(
    answer: impl Future<Output = Result<T, StoreError>> + Send + 'a,
) -> Answer<'a, T> {
    Either::Right(Box::pin(answer))
}

/// Names the right to fill one key. Unique over restarts with overwhelming likelihood, so a token
/// from before a restart fits nothing.
///
/// The top bit is left clear by stores that others share: a store in front of one sets it on the
/// tokens that it hands out by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

impl Token {
    /// The bit that says that a token is not from the shared store.
    pub(crate) const ISLAND: u64 = 1 << 63;

    /// A token or a witness that was never used before, with overwhelming likelihood.
    pub(crate) fn fresh() -> Self {
        Self(fastrand::u64(..) & !Self::ISLAND)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// An entry that may be judged for serving.
#[derive(Clone, Debug)]
pub struct Found {
    /// The entry as stored.
    pub entry: Arc<Entry>,
    /// Its windows, moved where the key or one of its dependencies was expired since.
    pub windows: Windows,
    /// The last read before this one, as far as reads are noted: they are of entries that may idle,
    /// now and then. Otherwise when it came to where it was found.
    pub read: Timestamp,
}

/// What an entry is expected to depend on, by the decision that asks for it. A store that keeps
/// versions elsewhere reads them along with the entry; it is never wrong to expect nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expected<'a> {
    /// Whose entry.
    pub tenant: &'a str,
    /// Its namespace; empty where nothing is expected.
    pub namespace: &'a str,
    /// Its tags.
    pub tags: &'a [String],
    /// The origin that it was loaded from, where entries depend on that.
    pub origin: Option<&'a Dependency>,
    /// The tag of all variants of its key, where it is one.
    pub variants: Option<&'a Dependency>,
}

impl Expected<'_> {
    /// Nothing: the entry will tell.
    pub const NOTHING: Expected<'static> = Expected {
        tenant: "",
        namespace: "",
        tags: &[],
        origin: None,
        variants: None,
    };

    /// The namespace and the tags.
    #[must_use]
    pub fn dependencies(&self) -> Vec<Dependency> {
        if self.namespace.is_empty() && self.tags.is_empty() {
            return Vec::new();
        }
        let mut all = Dependency::of_entry(self.tenant, self.namespace, self.tags);
        all.extend(self.origin.cloned());
        all.extend(self.variants.cloned());
        all
    }
}

/// A wish for the right to fill one key.
#[derive(Clone, Copy, Debug)]
pub struct LeaseRequest<'a> {
    /// The key to fill.
    pub key: &'a Key,
    /// How long the right lasts if it is neither used nor given up, in milliseconds.
    pub ttl_ms: u64,
    /// Whether to take part in the lease of another loader instead of being refused: the first
    /// fill under a shared lease wins.
    pub share: bool,
    /// When the entry that the caller saw was created, none if it saw none.
    pub seen: Option<Timestamp>,
    /// The present.
    pub now: Timestamp,
}

/// What became of a [`LeaseRequest`].
#[derive(Clone, Debug)]
pub enum Leased {
    /// The caller loads, and fills or releases with this token.
    Granted(Token),
    /// Another loader or a write holds the key. What the caller loads all the same cannot be
    /// stored; `by` serves [`Store::holds`].
    Held {
        /// The holder.
        by: Token,
    },
    /// Another entry than the one that the caller saw was stored in the meantime.
    Stored(Found),
}

/// What became of a fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The entry is served from now on.
    Stored,
    /// The lease was voided by an invalidation, a write, another fill or its end, or a
    /// dependency changed since the load began. Nothing was stored.
    Voided,
    /// The store takes no entry of that size. Nothing was stored, the lease is given up.
    TooLarge,
}

/// The step that a bump made a dependency take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The version that it replaced.
    pub before: Version,
    /// The version that holds from now on.
    pub after: Version,
}

/// What a store says of itself, for status pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The kind, for example `memory`.
    pub kind: &'static str,
    /// Entries held; an estimate where counting would cost.
    pub entries: u64,
    /// Bytes held, roughly.
    pub bytes: u64,
    /// Bytes that may be held; 0 where the store has no limit of its own.
    pub capacity: u64,
}

/// Whether a store can be relied on now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It answers.
    #[default]
    Up,
    /// It answers and keeps its promises, with more effort than usual.
    Degraded {
        /// In words.
        why: String,
    },
    /// It does not answer; what goes on without it, and why it is down.
    Down {
        /// In words.
        why: String,
    },
}

impl Health {
    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded { .. } => "degraded",
            Self::Down { .. } => "down",
        }
    }

    /// Why it is not up.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Up => None,
            Self::Degraded { why } | Self::Down { why } => Some(why),
        }
    }
}

/// Keeps entries, leases and dependency versions.
///
/// What every implementation guarantees, and the contract suite checks:
///
/// - **No older load after an invalidation.** An entry is stored only by [`Store::fill`] with a
///   token that still holds, under versions that are still current. [`Store::invalidate`] voids
///   the token of its key and [`Store::bump`] changes the versions, in one step each: a read that
///   starts after the reply never sees a value whose load began before it.
/// - **Versions are never forgotten into their past.** A version that is dropped comes back
///   different from every version handed out before.
/// - **Nothing without an end.** No entry is answered at or after [`Windows::gone_at`], nor when
///   it was not read for its time to idle; reading counts as use. Where noting a read costs a
///   round trip, an entry may live an eighth of that longer.
/// - **Stale since the first expiry.** The stale windows of an entry begin with the first expiry
///   after its load, of its key or of a dependency, and no later one begins them anew. Where there
///   were more than [`Expiries::MOST`](larder_core::Expiries::MOST) of one dependency they may
///   begin earlier, never later.
/// - **A write excludes fills.** From [`Store::begin_write`] to its fill or release no other
///   token fills the key, and of writes that overlap none does.
///
/// Times come in as arguments. Calls are cheap and do not wait for each other beyond what the
/// guarantees need; none of them retries.
pub trait Store: Send + Sync {
    /// The entry of `key`, if it may still be judged for serving: it belongs to the key, has not
    /// reached its end, and all versions it was loaded under hold or were only expired.
    fn get<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected<'a>,
        now: Timestamp,
    ) -> Answer<'a, Option<Found>>;

    /// The present versions, in order. They must be read before a load begins and be stored with
    /// what it brings.
    fn versions<'a>(&'a self, of: &'a [Dependency]) -> Answer<'a, Vec<Version>>;

    /// Asks for the right to fill a key.
    fn lease<'a>(&'a self, wish: LeaseRequest<'a>) -> Answer<'a, Leased>;

    /// Whether `token` still holds `key` and `under` are still the present versions: whether a
    /// read that begins now may join a load that began under them.
    fn holds<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        under: &'a [(Dependency, Version)],
        now: Timestamp,
    ) -> Answer<'a, bool>;

    /// Stores `entry` if `token` holds `key` and the entry's versions are present. Ends the lease
    /// and wakes those who wait for it, whatever the answer.
    fn fill<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Answer<'a, Filled>;

    /// Lets a lease or a write last until `ttl_ms` from now, if `token` still holds; answers
    /// whether it does. Nothing is ever shortened.
    fn extend<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, bool>;

    /// Gives a lease up without a value and wakes those who wait for it. A token that no longer
    /// holds changes nothing.
    fn release<'a>(&'a self, key: &'a Key, token: Token) -> Answer<'a, ()>;

    /// Begins a write: removes the entry, voids every lease on the key, and keeps others from
    /// filling it until the token is used in [`Store::fill`] or [`Store::release`], at the latest
    /// after `ttl_ms`.
    fn begin_write<'a>(&'a self, key: &'a Key, ttl_ms: u64, now: Timestamp) -> Answer<'a, Token>;

    /// Removes or expires the entry of `key` and voids its leases; a write in progress goes on,
    /// but can no longer fill. Answers whether there was an entry.
    fn invalidate<'a>(&'a self, key: &'a Key, mode: Mode, now: Timestamp) -> Answer<'a, bool>;

    /// Gives each of the dependencies a new version and answers its steps, in order. The time this
    /// takes does not depend on how many entries carry them.
    ///
    /// The steps are what a write needs that invalidates its own tags: it may store under `after`
    /// if `before` is what it read before it began, as then nobody else invalidated in between.
    /// The version of a dependency that is asked for the first time after a bump is, as a number,
    /// no less than the bump's `now` in microseconds.
    fn bump<'a>(
        &'a self,
        all: &'a [Dependency],
        mode: Mode,
        now: Timestamp,
    ) -> Answer<'a, Vec<Step>>;

    /// Notes that what these names stand for was written now, for `keep_ms`. It changes no entry and
    /// voids no lease: it is for whoever asks [`Store::written_ago`].
    fn note_written<'a>(
        &'a self,
        names: &'a [Dependency],
        keep_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, ()>;

    /// How many milliseconds ago the last of these names was noted as written, by anybody; none
    /// where none was, or longer ago than the notes are kept. A store that several machines share
    /// counts by a clock of its own.
    fn written_ago<'a>(
        &'a self,
        names: &'a [Dependency],
        now: Timestamp,
    ) -> Answer<'a, Option<u64>>;

    /// Makes every entry stale whose key matches, and voids the leases on such keys. It holds from
    /// the answer on; getting rid of the entries may go on behind, and the [`Sweep`] tells how far
    /// it is.
    fn ban<'a>(&'a self, pattern: &'a Pattern, mode: Mode, now: Timestamp) -> Answer<'a, Sweep>;

    /// Waits until the entry or the lease of `key` may have changed. It may return early; callers
    /// bound the wait and look again.
    fn changed<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, ()>;

    /// Drops what has reached its end. Called now and then, off the request path; answers how many
    /// entries went.
    fn sweep(&self, now: Timestamp) -> u64;

    /// What the store says of itself.
    fn summary(&self) -> Summary;

    /// Whether others may use it too, other processes or later ones. Times that only this process
    /// hands in may come from a clock of its own, which nobody sets; others only agree on the wall
    /// clock.
    fn is_shared(&self) -> bool {
        true
    }

    /// The clock that all who share it agree on, where it tells one; otherwise they have to agree
    /// on the wall clock.
    fn clock(&self) -> Option<Arc<dyn Clock>> {
        None
    }

    /// Whether it answers now, without asking it.
    fn health(&self) -> Health {
        Health::Up
    }
}

/// How a store failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It could not be reached, or broke off.
    #[error("the store cannot be reached: {0}")]
    Unavailable(String),
    /// It did not answer in time.
    #[error("the store did not answer within {limit_ms} ms")]
    Timeout {
        /// The limit.
        limit_ms: u64,
    },
    /// It will not do this now.
    #[error("the store refuses: {0}")]
    Refused(String),
    /// It holds something that is not an entry.
    #[error("the store holds something under `{key}` that is not an entry: {why}")]
    Corrupt {
        /// Where.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}
