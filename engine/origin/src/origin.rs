//! The seam to origins.

use bytes::Bytes;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use larder_core::{Head, Value};

use crate::answered::{Answered, is_passing, is_refusal};
use crate::{Class, PutMeaning};

/// What is wanted of an origin. A policy chooses none of it: the route names the origin, the
/// request the rest, and an origin builds its own address or statement from these parts.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Whose data it is; empty where the deployment has one tenant.
    pub tenant: &'a str,
    /// The kind of thing.
    pub resource: &'a str,
    /// Which one.
    pub id: &'a str,
    /// The request attributes that the policy declares, and no others: what the key cannot
    /// depend on must not shape the value. For an origin that reads queries all that tells the
    /// query ([`larder_core::query`]), declared or not: what of it the policy does not tell the
    /// engine adds to the key. With a write also its preconditions, such as `header.if-match`.
    pub attributes: &'a [(String, String)],
}

/// One of many writes that are handed over together.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// What it writes or deletes.
    pub wanted: Wanted<'a>,
    /// The value; none deletes.
    pub value: Option<&'a Value>,
    /// Its place among the queued writes of its row: an origin that keeps such numbers takes it
    /// only if it has none as large, and answers one that it does not take as done, without value
    /// and version.
    pub sequence: u64,
    /// Names the write for whoever repeats it.
    pub operation: &'a str,
}

/// How many writes are under way at once where an origin has no better way to take many.
const TOGETHER: usize = 16;

/// What an origin answered to a load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The value, or none: the origin has no such thing.
    pub value: Option<Value>,
    /// What it said of there being no such thing, with the status in its head; none where there is
    /// a value, or it said nothing.
    pub absent: Option<Value>,
    /// Response inputs for policies: `status`, and `header.*` in lower case.
    pub attributes: Vec<(String, String)>,
    /// The `Set-Cookie` lines of the answer: for the one whose request it was, and never stored.
    pub cookies: Vec<Bytes>,
}

impl Fetched {
    /// A value, or none, of which the origin says nothing more.
    #[must_use]
    pub const fn of(value: Option<Value>) -> Self {
        Self {
            value,
            absent: None,
            attributes: Vec::new(),
            cookies: Vec::new(),
        }
    }
}

/// What an origin answered to a write or a delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The value as a load would answer it now, where the origin says so in the same step. Only
    /// this may be put into the cache; none means that the cache is invalidated instead.
    pub value: Option<Value>,
    /// Whether there was anything to replace or delete, where the origin can tell.
    pub existed: Option<bool>,
    /// The version that the origin gave it, where it keeps versions and there is a row, or a mark of
    /// one, that has it.
    pub version: Option<u64>,
    /// The status and the end-to-end header lines of its answer, where it is an HTTP service.
    pub said: Option<Arc<Head>>,
}

impl Written {
    /// Whether the origin took the write and has not done it yet (202): a load may still bring what
    /// was there before.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.said.as_ref().is_some_and(|said| said.status() == 202)
    }
}

/// What becomes of a request header at an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFate {
    /// The origin gets it as it came, where the policy declares it.
    Passed,
    /// The origin gets the same for every request, whatever came.
    Fixed,
    /// The origin never gets it.
    Dropped,
}

/// Loads, writes and deletes values.
///
/// Implementations guarantee: every call ends within the origin's own timeout; a value is whole
/// (half an answer is an error, never a shorter value); values and answers are bounded in size;
/// "no such thing" is `value: None` and never an error; errors carry no credentials. Dropping a
/// returned future may leave a write done or undone, so callers see writes through.
pub trait Origin: Send + Sync {
    /// Loads the value.
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>>;

    /// Writes the value, which means what [`Origin::put_meaning`] says.
    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>>;

    /// Removes the value. Removing what is not there is no error.
    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>>;

    /// Takes many writes, no two of them of one row, and answers each in its place. A write may
    /// have been handed over before, when nobody knows whether the origin took it: taking it once
    /// more does no harm. One that the origin refuses is no reason to refuse the others.
    ///
    /// The origin's timeout holds for all of them together.
    fn apply<'a>(
        &'a self,
        changes: &'a [Change<'a>],
    ) -> BoxFuture<'a, Vec<Result<Written, OriginError>>> {
        Box::pin(async move {
            let mut answers = Vec::with_capacity(changes.len());
            for some in changes.chunks(TOGETHER) {
                let each = some.iter().map(|change| match change.value {
                    Some(value) => self.write(change.wanted, value),
                    None => self.delete(change.wanted),
                });
                answers.extend(futures_util::future::join_all(each).await);
            }
            answers
        })
    }

    /// Whether what it answers can depend on the request attributes of a class: `query.*`,
    /// `header.*` or `context.*`. By default all of them: it is handed what the policy declares.
    fn sees(&self, _class: &str) -> bool {
        true
    }

    /// Whether it takes and gives the header lines of values, such as `Content-Encoding`. By
    /// default it does not: what is written to it is the bytes alone.
    fn keeps_headers(&self) -> bool {
        false
    }

    /// What a write means here. Whatever the strategy, directly or from a queue, it means the same.
    fn put_meaning(&self) -> PutMeaning {
        PutMeaning::Replace
    }

    /// What a load will answer once `value` is written, whatever is there before; none where that
    /// cannot be told without asking, as of an object that names some fields of many, or where the
    /// origin makes something of its own of the value.
    fn whole(&self, wanted: Wanted<'_>, value: &Value) -> Option<Value> {
        let _ = wanted;
        Some(value.clone())
    }

    /// The fields that `value` names as a load will show them once they are written, where writes
    /// are merged: a price of 5.126 as 5.13 where that is how it is kept. None where that cannot be
    /// told without asking.
    fn as_read(&self, value: &Value) -> Option<Value> {
        Some(value.clone())
    }

    /// Whether it computes some of what it holds from the rest, so that a row with other fields put
    /// over its own need not be the row.
    fn computes(&self) -> bool {
        false
    }

    /// Whether one id under two resources is two things. By default it is; a table has one row for
    /// each id.
    fn tells_resources(&self) -> bool {
        true
    }

    /// Whether the query of a request can shape the value. By default it can.
    fn reads_query(&self) -> bool {
        true
    }

    /// Whether a write is not done where its preconditions (`header.if-match` and the like, among
    /// the attributes) do not hold. By default it would be done, so such writes are refused before.
    fn judges_preconditions(&self) -> bool {
        false
    }

    /// What becomes of the request header `name`, in lower case. By default it is passed.
    fn header_fate(&self, _name: &str) -> HeaderFate {
        HeaderFate::Passed
    }

    /// What is known to make every call fail, without asking; none where nothing is. By default
    /// none: most failures are seen by calling.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Whether that trouble is one that no waiting cures: what is configured and what is there do
    /// not fit each other.
    fn is_unfit(&self) -> bool {
        false
    }

    /// What it is, for status pages and logs, without credentials: for example
    /// `sqlite shop.db, table products`.
    fn summary(&self) -> String;
}

/// How an origin failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// It could not be reached.
    #[error("the origin cannot be reached: {0}")]
    Unreachable(String),
    /// It did not answer in time.
    #[error("the origin did not answer within {limit_ms} ms")]
    Timeout {
        /// The limit.
        limit_ms: u64,
    },
    /// It answered that it failed.
    #[error("the origin failed: {0}")]
    Failed(String),
    /// The table is no longer as the configuration says, so that it can be neither read nor
    /// written. Nothing was done; what is queued waits.
    #[error("the origin's table no longer fits its configuration: {0}")]
    Schema(String),
    /// It answered that the request is wrong: repeating it will not help.
    #[error("the origin refused the request: {0}")]
    Rejected(String),
    /// It answered over HTTP with a status of 400 or above.
    #[error(
        "the origin {how}: {what}",
        how = if is_refusal(*status) { "refused the request" } else { "failed" },
        what = answer.what
    )]
    Answered {
        /// The status.
        status: u16,
        /// The rest of it.
        answer: Arc<Answered>,
    },
    /// Its answer broke off or makes no sense.
    #[error("the origin's answer is broken: {0}")]
    Broken(String),
    /// Its answer is larger than values may be.
    #[error("the origin's answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// What was to be written is larger than values may be. Nothing was written.
    #[error("what is to be written is larger than the {limit_bytes} bytes that a value may have")]
    WriteTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
}

impl OriginError {
    /// Whether trying again is of no use, because of what was asked for.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Answered { status, .. } => is_refusal(*status) && !is_passing(*status),
            error => matches!(error.class(), Class::Refused),
        }
    }

    /// Whether a write was refused for what is there now, or no longer: whoever holds something else
    /// holds what is outdated.
    #[must_use]
    pub const fn tells_of_state(&self) -> bool {
        matches!(
            self,
            Self::Answered {
                status: 404 | 409 | 410 | 412,
                ..
            }
        )
    }

    /// How long the origin wants to be left alone, in milliseconds, where it says so.
    #[must_use]
    pub fn retry_after_ms(&self) -> Option<u64> {
        match self {
            Self::Answered { answer, .. } => answer.retry_after_ms,
            _ => None,
        }
    }

    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Timeout { .. } => "timeout",
            Self::Failed(_) => "failed",
            Self::Schema(_) => "schema",
            Self::Rejected(_) => "rejected",
            Self::Answered { status, .. } if is_refusal(*status) => "rejected",
            Self::Answered { .. } => "failed",
            Self::Broken(_) => "broken",
            Self::TooLarge { .. } => "too_large",
            Self::WriteTooLarge { .. } => "write_too_large",
        }
    }
}
