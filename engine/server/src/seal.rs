//! Leases as text that nobody can forge: base64url of an HMAC-SHA256 and the lease as JSON.

use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use larder::Lease;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::problem::Problem;

const MAC_BYTES: usize = 32;

/// What is sealed: the lease, and whose it is, which a lease does not tell.
#[derive(Serialize, Deserialize)]
struct Sealed<T, L> {
    tenant: T,
    lease: L,
}

/// Closes and opens leases under one secret.
pub(crate) struct Seal(Hmac<Sha256>);

impl Seal {
    /// A seal under `secret`, or under a random one.
    pub(crate) fn new(secret: Option<&[u8]>) -> Result<Self, getrandom::Error> {
        let mut random = [0; 32];
        let secret = match secret {
            Some(secret) => secret,
            None => {
                getrandom::fill(&mut random)?;
                &random
            }
        };
        // HMAC hashes keys that are too long and pads those that are too short.
        let mac = Hmac::new_from_slice(secret);
        mac.map(Self).map_err(|_| getrandom::Error::UNSUPPORTED)
    }

    /// The lease of `tenant` as text.
    pub(crate) fn close(&self, tenant: &str, lease: &Lease) -> Result<String, Problem> {
        let json = serde_json::to_vec(&Sealed { tenant, lease }).map_err(|error| {
            let detail = format!("the lease cannot be written: {error}");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
        })?;
        let mut sealed = self
            .0
            .clone()
            .chain_update(&json)
            .finalize()
            .into_bytes()
            .to_vec();
        sealed.extend_from_slice(&json);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// The tenant and the lease, if this text was closed under the same secret.
    pub(crate) fn open(&self, text: &str) -> Result<(String, Lease), Problem> {
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| not_ours())?;
        let (mac, json) = sealed.split_at_checked(MAC_BYTES).ok_or_else(not_ours)?;
        let checked = self.0.clone().chain_update(json).verify_slice(mac);
        checked.map_err(|_| not_ours())?;
        let sealed: Sealed<_, _> = serde_json::from_slice(json).map_err(|_| not_ours())?;
        Ok((sealed.tenant, sealed.lease))
    }
}

fn not_ours() -> Problem {
    Problem::bad(
        "invalid_lease",
        "the lease is not one that this engine or one with the same lease secret gave; pass \
         `Larder-Lease` on as it is. Without a secret in the configuration, leases end with a restart",
    )
}
