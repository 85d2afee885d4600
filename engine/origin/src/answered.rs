//! What a service answers in the place of a value.

use larder_core::Value;

/// How often, in seconds, a service may put off being asked again by one `Retry-After`: whoever
/// writes a day there may be back in an hour.
pub const RETRY_AFTER_MAX_S: u64 = 300;

/// An answer of 400 or above, for whoever asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// What was asked and what was answered, in words and without credentials.
    pub what: String,
    /// Its status and end-to-end headers, its body and the type of it.
    pub value: Value,
    /// Whether the body is all there; where it was too long, too late or broke off, it is empty.
    pub whole: bool,
    /// When the service wants to be asked again, in milliseconds and no longer than
    /// [`RETRY_AFTER_MAX_S`]; none where it did not say.
    pub retry_after_ms: Option<u64>,
}

/// Statuses of 400 to 499 that say nothing of what was asked for: it came too late, too early or
/// too often. The same request may be answered another time.
pub(crate) const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429)
}

/// Whether a status says that the request is wrong, and not that the service failed.
pub(crate) const fn is_refusal(status: u16) -> bool {
    matches!(status, 400..=499)
}
