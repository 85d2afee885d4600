//! Who may call: bearer tokens, what each of them may do, and where nobody is asked for one.
//!
//! A plane for which no token is configured is open, and for that reason listens on loopback
//! only. Once one token is configured for it, every call needs one, health checks aside.

mod caller;
mod scope;
mod token;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use sha2::{Digest as _, Sha256};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

pub(crate) use self::caller::{Caller, Known, forbidden};
pub use self::scope::{Ability, Lacking, Plane, Scope};
pub use self::token::{BadHash, NewToken, Token, TokenHash};
/// The pattern of a name: `*` stands for any run of characters, `?` for one.
pub use wildmatch::WildMatch as Pattern;

/// No token of ours is longer; a longer text is not worth hashing.
const TOKEN_MAX_BYTES: usize = 256;

/// The tokens of a server.
#[derive(Debug, Default)]
pub(crate) struct Access {
    tokens: Vec<Arc<Token>>,
    data: bool,
    admin: bool,
}

/// Why a caller is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Stranger {
    #[error("the {0} plane needs a token; send it as `Authorization: Bearer TOKEN`")]
    NoToken(&'static str),
    #[error(
        "the `Authorization` header is not one `Bearer TOKEN`, which the {0} plane of this server \
         needs"
    )]
    NotBearer(&'static str),
    #[error(
        "the token is not one of this server's; `larder token` makes one, and its hash goes into \
         the server's configuration"
    )]
    Unknown,
}

impl Access {
    pub(crate) fn new(tokens: Vec<Token>) -> Self {
        let guards = |plane| tokens.iter().any(|token| token.scope.enter(plane).is_ok());
        let (data, admin) = (guards(Plane::Data), guards(Plane::Admin));
        let tokens: Vec<_> = tokens.into_iter().map(Arc::new).collect();
        for (plane, guarded) in [(Plane::Data, data), (Plane::Admin, admin)] {
            if guarded {
                caller::register(plane, &tokens);
            }
        }
        Self {
            tokens,
            data,
            admin,
        }
    }

    /// Whether a plane needs a token.
    pub(crate) fn guards(&self, plane: Plane) -> bool {
        match plane {
            Plane::Data => self.data,
            Plane::Admin => self.admin,
        }
    }

    /// The token that a request to a guarded plane carries.
    pub(crate) fn known(&self, plane: Plane, headers: &HeaderMap) -> Result<Arc<Token>, Stranger> {
        let token = self.find(bearer(plane, headers)?);
        token.ok_or(Stranger::Unknown)
    }

    /// Looks at every token whichever fits, so that the time it takes says nothing of them.
    fn find(&self, text: &str) -> Option<Arc<Token>> {
        let hash = Sha256::digest(text.as_bytes());
        let mut found = u32::MAX;
        for (at, token) in (0..).zip(&self.tokens) {
            found.conditional_assign(&at, hash.as_slice().ct_eq(token.hash.as_bytes()));
        }
        self.tokens.get(found as usize).cloned()
    }
}

fn bearer(plane: Plane, headers: &HeaderMap) -> Result<&str, Stranger> {
    let plane = plane.as_str();
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let one = all.next().ok_or(Stranger::NoToken(plane))?;
    // Of two headers nobody can say which one a proxy in front has looked at.
    let text = one.to_str().ok().filter(|_| all.next().is_none());
    let (scheme, token) = text
        .and_then(|text| text.split_once(' '))
        .ok_or(Stranger::NotBearer(plane))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Stranger::NotBearer(plane));
    }
    match token.trim() {
        "" => Err(Stranger::NoToken(plane)),
        token if token.len() > TOKEN_MAX_BYTES => Err(Stranger::Unknown),
        token => Ok(token),
    }
}

/// A plane that would answer anybody who reaches the machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the {plane} plane would answer anybody who reaches {address}: no token is configured for it. \
     Make one with `larder token` and put its hash into the configuration, as a [[server.token]] \
     with \"{plane}\" among its `planes`; or listen on loopback, such as 127.0.0.1:{port}",
    plane = plane.as_str(), port = address.port()
)]
pub struct Exposed {
    /// The plane.
    pub plane: Plane,
    /// Where it is to listen.
    pub address: SocketAddr,
}

/// Checks that a plane without a token listens on loopback.
///
/// # Errors
/// [`Exposed`] where others than this machine could call it without a token.
pub fn check_listener(plane: Plane, address: SocketAddr, tokens: &[Token]) -> Result<(), Exposed> {
    let guarded = tokens.iter().any(|token| token.scope.enter(plane).is_ok());
    // An IPv4 address in IPv6 clothes is looked at as what it is.
    if guarded || address.ip().to_canonical().is_loopback() {
        return Ok(());
    }
    Err(Exposed { plane, address })
}

#[cfg(test)]
mod tests;
