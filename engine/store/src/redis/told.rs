//! What Redis told of one dependency.

use larder_core::dependency::Verdict;
use larder_core::{Expiries, Version};
use redis::Value;

use super::reply;
use crate::store::StoreError;

/// The version, and the text of the expiries that led to it: it is read where something was
/// expired, and not on a hit.
#[derive(Clone, Debug)]
pub(super) struct Told {
    pub(super) version: Version,
    expiries: Option<String>,
}

impl Told {
    /// From the answer to one question for both; none where there is no version.
    pub(super) fn of(answer: Value) -> Result<Option<Self>, StoreError> {
        let (version, expiries): (Option<String>, Option<String>) = reply::typed(answer)?;
        let version = version.and_then(|text| reply::parse_version(&text));
        Ok(version.map(|version| Self { version, expiries }))
    }

    /// What it says of an entry that was loaded under `loaded`.
    pub(super) fn judge(&self, loaded: Version) -> Verdict {
        let current = self.version;
        loaded.judge(current, |expire| {
            // Text that cannot be read tells as much as none: that something was expired.
            let expiries: Expiries = self.expiries.as_deref()?.parse().ok()?;
            expiries.first_after(expire, current.expire)
        })
    }
}
