//! How a call fails.

use std::fmt;

use larder_core::{PatternError, RequestError, Strategy};
use larder_origin::OriginError;
use larder_store::StoreError;
use larder_store::queue::{LetterId, QueueError};

use crate::unseen::Unseen;

/// When to ask a queue again that has no room or fails, in milliseconds.
const QUEUE_RETRY_MS: u64 = 1_000;

/// How a call fails. Each kind has a stable [`Error::code`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The request itself is wrong.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// No route matches the resource.
    #[error("no route matches the resource `{0}`; add a [[route]] whose `resource` matches it")]
    NoRoute(String),
    /// A policy was named that is not configured.
    #[error(
        "there is no policy `{0}`; `GET /v1/policies` and `larder policies` list those there are"
    )]
    NoPolicy(String),
    /// The strategy needs an origin and the route has none.
    #[error(
        "the policy chose {strategy} for `{resource}`, which needs an origin, and the route names \
         none; add `origin = \"…\"` to the route, or let the policy choose cache_aside",
        strategy = strategy.as_str()
    )]
    NoOrigin {
        /// The kind of thing that was asked for.
        resource: String,
        /// What the policy chose.
        strategy: Strategy,
    },
    /// The policy says that values depend on what the route's origin is never sent.
    #[error(transparent)]
    Unseen(#[from] Unseen),
    /// The policy failed and its `on_failure` says deny.
    #[error("the policy `{policy}` failed ({failure}) and its on_failure is deny")]
    Denied {
        /// The policy.
        policy: String,
        /// How it failed.
        failure: String,
    },
    /// The policy failed on a write, and nobody can say what the write would make stale.
    #[error(
        "the policy `{policy}` failed ({failure}), so nobody can say which entries this {operation} \
         makes stale; it was refused before it reached the origin. A default decision with \
         `invalidates` would let it through"
    )]
    WriteUndecided {
        /// The policy.
        policy: String,
        /// How it failed.
        failure: String,
        /// `write` or `delete`.
        operation: &'static str,
    },
    /// The policy failed, and nobody else knows what a change of a row makes stale. Nothing was
    /// done.
    #[error(
        "the policy `{policy}` failed ({failure}), so nobody can say which entries a change of \
         `{row}` makes stale; nothing was invalidated. Ask again once it answers, or invalidate a \
         tag or the namespace"
    )]
    RowUndecided {
        /// The resource and the id.
        row: String,
        /// The policy.
        policy: String,
        /// How it failed.
        failure: String,
    },
    /// A pattern is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// A write is to be done under a condition, and nobody on its way can judge it. Nothing was done.
    #[error(
        "the write is to be done only if `{header}` holds, and what takes it cannot judge that: only \
         HTTP origins can, and only where the write is not queued; nothing was written. Leave the \
         header out to write in any case"
    )]
    UnjudgedPrecondition {
        /// The header.
        header: String,
    },
    /// The engine cannot do this yet.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The value of a write is encoded, and its origin keeps plain values. Nothing was done.
    #[error(
        "the value is encoded as `{coding}`, and the origin of `{resource}` keeps no encoding with \
         what it stores; send it without `Content-Encoding`"
    )]
    Encoded {
        /// The kind of thing.
        resource: String,
        /// How it is encoded.
        coding: String,
    },
    /// The origin failed.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// The application's own loader failed.
    #[error("the loader failed: {0}")]
    Loader(String),
    /// A value of the program's own types cannot be encoded, or what was loaded not be decoded.
    #[error("the value does not fit its type: {0}; check that what is loaded is what is asked for")]
    Codec(String),
    /// The load did not end in time.
    #[error("the load did not end within {limit_ms} ms and was given up")]
    LoadTimeout {
        /// The limit.
        limit_ms: u64,
    },
    /// The origin keeps failing and is left alone for a while. Nothing was done.
    #[error(
        "the origin `{origin}` keeps failing and is left alone for now; it is tried again in \
         {retry_after_ms} ms, so ask again then"
    )]
    OriginOpen {
        /// The origin, or the policy whose closures load.
        origin: String,
        /// When it is tried again, in milliseconds.
        retry_after_ms: u64,
    },
    /// The origin said when it wants to be asked again, and that is not yet. Nothing was done.
    #[error(
        "the origin `{origin}` asked to be left alone for a while (Retry-After); it is called \
         again in {retry_after_ms} ms, so ask again then"
    )]
    OriginResting {
        /// The origin, or the policy whose closures load.
        origin: String,
        /// When it is called again, in milliseconds.
        retry_after_ms: u64,
    },
    /// As many calls are under way as may be. Nothing was done.
    #[error(
        "{what} has as many calls under way as it may have, and none of them ended in time; ask \
         again in {retry_after_ms} ms, or raise the limits of the origin"
    )]
    Overloaded {
        /// What is full: an origin, or an origin for one tenant.
        what: String,
        /// When to ask again, in milliseconds.
        retry_after_ms: u64,
    },
    /// The caller's time was over before there was an answer.
    #[error(
        "the deadline of the read passed before there was a value; a load that others may wait \
         for goes on, so ask again, or allow more time"
    )]
    DeadlineExceeded,
    /// The origin took a write, and the store could not be told.
    #[error(
        "the origin took the write, but what it made stale could not be invalidated: {0}; older \
         values may be served until their ttl ends. Repeat the write or the invalidation"
    )]
    NotInvalidated(StoreError),
    /// The write-behind queue failed, or has no room.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// A direct write could not wait any longer for the writes that its row has in the queue.
    /// Nothing was done.
    #[error(
        "`{row}` has writes in the write-behind queue that its origin does not have yet, and this \
         write goes to the origin itself, so it has to come after them; they were not flushed in \
         time. Ask again later; `larder queue status` shows how far the flush is"
    )]
    BehindQueue {
        /// The resource and the id.
        row: String,
    },
    /// A direct write of a row whose flush waits for an operator. Nothing was done.
    #[error(
        "the origin refused an earlier write of `{row}`, which is kept as the dead letter \
         {letter}; until that is decided on, no other write may pass it. `larder queue show` \
         tells why, `larder queue retry` and `larder queue drop` decide"
    )]
    RowParked {
        /// The resource and the id.
        row: String,
        /// The dead letter.
        letter: LetterId,
    },
    /// The queue holds writes of a row, and what all of it will be only the origin can say.
    #[error(
        "the write-behind queue holds writes of {of}`{row}`, and what {will} be only its origin can \
         say, which does not have them yet{rest}",
        of = if *fields { "some fields of " } else { "" },
        will = if *fields { "the rest of it will" } else { "this read of it will" }
    )]
    PartlyQueued {
        /// The resource and the id.
        row: String,
        /// Whether they name fields of it; otherwise they are of all of it, under another key or
        /// with other attributes.
        fields: bool,
        /// Why the origin does not have them.
        rest: Rest,
    },
    /// What the queue holds of a row changed while the application's closure loaded it.
    #[error(
        "what the write-behind queue holds of the row changed while it was loaded, so that nobody \
         knows what of it the loaded value has; ask again"
    )]
    RowChanging,
    /// A value is to be encrypted before it is queued, and there is no key ring. Nothing was done.
    #[error(
        "the value of this write is to be encrypted before it is queued, and there is no usable \
         key ring; set `[keys]`, or let the policy choose write_through"
    )]
    NoKeyRing,
    /// What the queue holds of a row cannot be read.
    #[error(
        "the write-behind queue holds a write of `{row}` that this node cannot read: {why}; what \
         the origin holds is older, so it is not served instead"
    )]
    Unflushable {
        /// The resource and the id.
        row: String,
        /// What is wrong with it, and what to do.
        why: &'static str,
    },
    /// The store failed, and going on without it would break a promise.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an origin does not have what is queued of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It was not flushed in time.
    Waiting,
    /// The flush fails.
    Failing(String),
    /// The origin refused one of the writes, which waits for an operator.
    Parked(LetterId),
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting => {
                f.write_str("; ask again later; `larder queue status` shows how far the flush is")
            }
            Self::Failing(why) => write!(f, ", as the flush fails: {why}; ask again later"),
            Self::Parked(letter) => write!(
                f,
                ", as one of them is kept as the dead letter {letter}. `larder queue show` tells \
                 why, `larder queue retry` and `larder queue drop` decide"
            ),
        }
    }
}

impl Error {
    /// The stable name used in the API, logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Request(RequestError::UndeclaredQuery { .. }) => "undeclared_query",
            Self::Request(RequestError::UndeclaredContext(_)) => "undeclared_context",
            Self::Request(_) => "invalid_request",
            Self::NoRoute(_) => "no_route",
            Self::NoPolicy(_) => "no_policy",
            Self::NoOrigin { .. } => "no_origin",
            Self::Unseen(_) => "origin_unseen",
            Self::Denied { .. } => "policy_denied",
            Self::WriteUndecided { .. } => "write_undecided",
            Self::RowUndecided { .. } => "row_undecided",
            Self::Pattern(_) => "invalid_pattern",
            Self::UnjudgedPrecondition { .. } => "precondition_unsupported",
            Self::Unsupported(_) => "unsupported",
            Self::Encoded { .. } => "unsupported_encoding",
            Self::Origin(OriginError::Unreachable(_)) => "origin_unreachable",
            Self::Origin(OriginError::Timeout { .. }) => "origin_timeout",
            Self::Origin(OriginError::Failed(_)) => "origin_failed",
            Self::Origin(OriginError::Schema(_)) => "origin_schema",
            Self::Origin(OriginError::Rejected(_)) => "origin_rejected",
            Self::Origin(OriginError::Answered {
                status: 400..=499, ..
            }) => "origin_rejected",
            Self::Origin(OriginError::Answered { .. }) => "origin_failed",
            Self::Origin(OriginError::Broken(_)) => "origin_broken",
            Self::Origin(OriginError::TooLarge { .. }) => "origin_too_large",
            Self::Origin(OriginError::WriteTooLarge { .. }) => "write_too_large",
            Self::Loader(_) => "loader_failed",
            Self::Codec(_) => "codec_failed",
            Self::LoadTimeout { .. } => "load_timeout",
            Self::OriginOpen { .. } => "origin_unavailable",
            Self::OriginResting { .. } => "origin_resting",
            Self::Overloaded { .. } => "overloaded",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::NotInvalidated(_) => "not_invalidated",
            Self::Store(_) => "store_failed",
            Self::Queue(QueueError::Full(_)) => "queue_full",
            Self::Queue(QueueError::Reused) => "idempotency_key_reused",
            Self::Queue(QueueError::Corrupt { .. }) => "queue_corrupt",
            Self::Queue(_) => "queue_failed",
            Self::BehindQueue { .. } => "behind_queue",
            Self::RowParked { .. } => "row_parked",
            Self::PartlyQueued { .. } => "partly_queued",
            Self::RowChanging => "row_changing",
            Self::NoKeyRing => "no_key_ring",
            Self::Unflushable { .. } => "unflushable",
        }
    }

    /// Whether the caller is to hear of it though there is a stale value: the origin works, and
    /// says that what was asked for is wrong.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Origin(error) if !error.class().may_be_hidden())
    }

    /// Whether it says that what is cached of the row is no longer so. That the origin is asked too
    /// often, too early or too slowly is a refusal and says nothing of the row.
    pub(crate) fn is_about_the_row(&self) -> bool {
        matches!(self, Self::Origin(error) if self.is_refusal() && error.is_permanent())
    }

    /// When to ask again, in milliseconds, where waiting is all that it takes.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::OriginOpen { retry_after_ms, .. }
            | Self::OriginResting { retry_after_ms, .. }
            | Self::Overloaded { retry_after_ms, .. } => Some(*retry_after_ms),
            Self::Origin(error) => error.retry_after_ms(),
            Self::Queue(QueueError::Full(_) | QueueError::Failed(_))
            | Self::BehindQueue { .. }
            | Self::RowChanging
            | Self::PartlyQueued {
                rest: Rest::Waiting | Rest::Failing(_),
                ..
            } => Some(QUEUE_RETRY_MS),
            _ => None,
        }
    }
}
