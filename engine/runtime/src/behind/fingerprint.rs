//! Which request an idempotency key belongs to.

use larder_store::queue::Fingerprint;
use sha2::{Digest, Sha256};

use crate::engine::Inner;
use crate::error::Error;
use crate::write::Ready;

impl Inner {
    /// What tells the request that chose `name` from others: verb, row, query, type, encoding and
    /// body. Other headers are left out: who repeats a request may send others, such as the time. Of a value
    /// that is to be sealed it says no more than the key ring lets out.
    pub(super) fn fingerprint(&self, ready: &Ready, name: &str) -> Result<Fingerprint, Error> {
        let request = &ready.job.request;
        let (verb, value) = (request.operation.as_str(), ready.value.as_ref());
        let content_type = value.and_then(|value| value.content_type.as_deref());
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        for text in [name, verb, &request.tenant, &request.resource, &request.id] {
            add(text.as_bytes());
        }
        add(content_type.unwrap_or_default().as_bytes());
        add(value.map_or(&[], |value| &value.bytes));
        let query = request.attributes.iter();
        for (name, text) in query.filter(|(name, _)| larder_core::query::is_part(name)) {
            add(name.as_bytes());
            add(text.as_bytes());
        }
        // Said only where there is one: names that were taken before it was are known again.
        if let Some(coding) = value.and_then(larder_core::Value::coding) {
            add(b"content-encoding");
            add(coding.as_bytes());
        }
        let digest = hash.finalize().into();
        match ready.job.decision().encrypt {
            true => self.seals.fingerprint(digest),
            false => Ok(plain(&digest)),
        }
    }
}

/// Four zeros say that it was made without a key.
fn plain(digest: &[u8; 32]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.0[4..].copy_from_slice(&digest[..12]);
    fingerprint
}
