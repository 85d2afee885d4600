//! What came of a read, and why something was not stored: closed lists, one spelling each for
//! logs, metrics and the API.

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A fresh entry.
    Hit,
    /// A fresh entry that says the origin has no such thing.
    NegativeHit,
    /// A stale entry, while one refresh runs behind.
    Stale,
    /// A stale entry, because the origin failed.
    StaleOnError,
    /// Loaded: there was no entry.
    Miss,
    /// Loaded: the entry was too old to be served.
    Expired,
    /// Loaded: the decision was to leave the cache alone.
    Bypass,
    /// Not there, and the caller only looked: nobody got a lease.
    Unleased,
    /// Not there, and the caller holds the lease to fill it.
    Leased,
    /// Not there, and somebody else holds the lease.
    LeasedElsewhere,
    /// The store failed, so nobody knows whether it was there: loaded, or left to the caller, and
    /// nothing is stored.
    StoreDown,
}

impl Outcome {
    /// Every outcome, for metrics that are registered beforehand.
    pub const ALL: [Self; 11] = [
        Self::Hit,
        Self::NegativeHit,
        Self::Stale,
        Self::StaleOnError,
        Self::Miss,
        Self::Expired,
        Self::Bypass,
        Self::Unleased,
        Self::Leased,
        Self::LeasedElsewhere,
        Self::StoreDown,
    ];

    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::NegativeHit => "negative_hit",
            Self::Stale => "stale",
            Self::StaleOnError => "stale_on_error",
            Self::Miss => "miss",
            Self::Expired => "expired",
            Self::Bypass => "bypass",
            Self::Unleased => "unleased",
            Self::Leased => "leased",
            Self::LeasedElsewhere => "leased_elsewhere",
            Self::StoreDown => "store_down",
        }
    }

    /// Why the request went forward, in the tokens of RFC 9211; none where the cache answered.
    #[must_use]
    pub const fn forward(self) -> Option<&'static str> {
        match self {
            Self::Hit | Self::NegativeHit | Self::Stale => None,
            Self::Miss | Self::Unleased | Self::Leased | Self::LeasedElsewhere => Some("uri-miss"),
            Self::Expired | Self::StaleOnError => Some("stale"),
            Self::StoreDown => Some("miss"),
            Self::Bypass => Some("bypass"),
        }
    }
}

/// Why what was loaded or written did not become an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotStored {
    /// The decision was to leave the cache alone.
    Bypass,
    /// The query has what the policy does not declare, and the route keeps such requests out.
    UndeclaredQuery,
    /// The request has a context that the policy does not declare, and the route keeps such
    /// requests out.
    UndeclaredContext,
    /// The origin answered with a status that promises no value: 201, 202, 205 and all above.
    Status,
    /// The response varies by a request header that is no part of the key, or was not passed on.
    Varies,
    /// The caller only looked.
    Looked,
    /// Writes of this strategy make the entry stale and leave storing to the next read.
    Invalidated,
    /// The freshness leaves no moment in which it could be served.
    ZeroTtl,
    /// The policy refused it after the load.
    Refused,
    /// The policy failed when asked after the load.
    AdmissionFailed,
    /// The entry asks for encryption and no key ring is configured.
    NoKeyRing,
    /// An invalidation or a newer write came in between.
    Voided,
    /// Something that it depends on was written a moment ago, and replicas of the origin may lag.
    WriteHold,
    /// Somebody else holds the lease.
    LeasedElsewhere,
    /// The origin took a write without saying what it holds now.
    Unconfirmed,
    /// Larger than the store takes.
    TooLarge,
    /// The store failed.
    StoreFailed,
}

impl NotStored {
    /// All reasons.
    pub const ALL: [Self; 17] = [
        Self::Bypass,
        Self::UndeclaredQuery,
        Self::UndeclaredContext,
        Self::Status,
        Self::Varies,
        Self::Looked,
        Self::Invalidated,
        Self::ZeroTtl,
        Self::Refused,
        Self::AdmissionFailed,
        Self::NoKeyRing,
        Self::Voided,
        Self::WriteHold,
        Self::LeasedElsewhere,
        Self::Unconfirmed,
        Self::TooLarge,
        Self::StoreFailed,
    ];

    /// The name used in the API, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::UndeclaredQuery => "undeclared_query",
            Self::UndeclaredContext => "undeclared_context",
            Self::Status => "status",
            Self::Varies => "varies",
            Self::Looked => "looked",
            Self::Invalidated => "invalidated",
            Self::ZeroTtl => "zero_ttl",
            Self::Refused => "refused",
            Self::AdmissionFailed => "admission_failed",
            Self::NoKeyRing => "no_key_ring",
            Self::Voided => "voided",
            Self::WriteHold => "write_hold",
            Self::LeasedElsewhere => "leased_elsewhere",
            Self::Unconfirmed => "unconfirmed",
            Self::TooLarge => "too_large",
            Self::StoreFailed => "store_failed",
        }
    }
}

/// A reason that is added is added to the list as well.
const _: () = assert!(NotStored::ALL.len() == NotStored::StoreFailed as usize + 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_reasons_are_in_their_places() {
        for (n, reason) in NotStored::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, n);
        }
    }

    #[test]
    fn names_are_unique() {
        for (i, outcome) in Outcome::ALL.iter().enumerate() {
            assert!(
                Outcome::ALL[..i]
                    .iter()
                    .all(|other| other.as_str() != outcome.as_str())
            );
        }
    }
}
