//! What an answer without a value means to everybody who has to act on it, decided in one place.

use crate::OriginError;
use crate::answered::is_refusal;

/// How an origin answers that brings no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// There is no such thing: an answer like a value, and remembered like one.
    Absent,
    /// What was asked for is wrong, and asking again is of no use: the caller is told, at once and
    /// whatever is cached.
    Refused,
    /// The origin did not do what it is there for. It may tomorrow.
    Failed,
}

impl Class {
    /// The name used in logs and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    /// Whether a breaker counts it against the origin.
    #[must_use]
    pub const fn is_counted(self) -> bool {
        matches!(self, Self::Failed)
    }

    /// Whether a stale value may be served in its place, where the policy allows that.
    #[must_use]
    pub const fn may_be_hidden(self) -> bool {
        matches!(self, Self::Failed)
    }

    /// Whether the cache may remember it.
    #[must_use]
    pub const fn may_be_kept(self) -> bool {
        matches!(self, Self::Absent)
    }
}

impl OriginError {
    /// What the error means to breakers, stale values, queues and callers.
    #[must_use]
    pub const fn class(&self) -> Class {
        match self {
            Self::Answered { status, .. } if !is_refusal(*status) => Class::Failed,
            Self::Answered { .. }
            | Self::Rejected(_)
            | Self::TooLarge { .. }
            | Self::WriteTooLarge { .. } => Class::Refused,
            Self::Unreachable(_)
            | Self::Timeout { .. }
            | Self::Failed(_)
            | Self::Schema(_)
            | Self::Broken(_) => Class::Failed,
        }
    }

    /// Whether the origin certainly has not done what it was asked for.
    #[must_use]
    pub const fn is_undone(&self) -> bool {
        matches!(self, Self::Answered { status, .. } if is_refusal(*status))
            || matches!(
                self,
                Self::Unreachable(_)
                    | Self::Rejected(_)
                    | Self::Schema(_)
                    | Self::WriteTooLarge { .. }
            )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use larder_core::Value;

    use super::*;
    use crate::Answered;

    #[test]
    fn each_error_is_of_one_class() {
        let text = String::new;
        for (error, class, undone) in [
            (OriginError::Unreachable(text()), Class::Failed, true),
            (OriginError::Timeout { limit_ms: 1 }, Class::Failed, false),
            (OriginError::Failed(text()), Class::Failed, false),
            (OriginError::Schema(text()), Class::Failed, true),
            (OriginError::Broken(text()), Class::Failed, false),
            (OriginError::Rejected(text()), Class::Refused, true),
            (
                OriginError::TooLarge { limit_bytes: 1 },
                Class::Refused,
                false,
            ),
            (
                OriginError::WriteTooLarge { limit_bytes: 1 },
                Class::Refused,
                true,
            ),
        ] {
            assert_eq!(error.class(), class, "{error}");
            assert_eq!(error.is_permanent(), class == Class::Refused, "{error}");
            assert_eq!(error.is_undone(), undone, "{error}");
        }
    }

    #[test]
    fn a_status_is_of_one_class() {
        for (status, class, permanent) in [
            (400, Class::Refused, true),
            (401, Class::Refused, true),
            (403, Class::Refused, true),
            (409, Class::Refused, true),
            (412, Class::Refused, true),
            (451, Class::Refused, true),
            // The row may be taken another time: it is not given up.
            (408, Class::Refused, false),
            (425, Class::Refused, false),
            (429, Class::Refused, false),
            (500, Class::Failed, false),
            (501, Class::Failed, false),
            (503, Class::Failed, false),
            (599, Class::Failed, false),
        ] {
            let error = OriginError::Answered {
                status,
                answer: Arc::new(Answered {
                    what: String::new(),
                    value: Value::new(""),
                    whole: true,
                    retry_after_ms: None,
                }),
            };
            assert_eq!(error.class(), class, "{status}");
            assert_eq!(error.is_permanent(), permanent, "{status}");
            assert_eq!(error.is_undone(), class == Class::Refused, "{status}");
            let name = if class == Class::Refused {
                "rejected"
            } else {
                "failed"
            };
            assert_eq!(error.as_str(), name, "{status}");
        }
    }

    #[test]
    fn a_status_that_tells_of_the_state_of_a_row() {
        for status in 400..600 {
            let told = matches!(status, 404 | 409 | 410 | 412);
            let answer = Answered {
                what: String::new(),
                value: Value::new(""),
                whole: true,
                retry_after_ms: None,
            };
            let answer = Arc::new(answer);
            let error = OriginError::Answered { status, answer };
            assert_eq!(error.tells_of_state(), told, "{status}");
        }
        assert!(!OriginError::Rejected(String::new()).tells_of_state());
    }

    #[test]
    fn what_follows_from_a_class() {
        for (class, counted, hidden, kept) in [
            (Class::Absent, false, false, true),
            (Class::Refused, false, false, false),
            (Class::Failed, true, true, false),
        ] {
            let follows = (
                class.is_counted(),
                class.may_be_hidden(),
                class.may_be_kept(),
            );
            assert_eq!(follows, (counted, hidden, kept), "{}", class.as_str());
        }
    }
}
