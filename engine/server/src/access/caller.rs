//! Who a request comes from, as handlers ask it.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::scope::{Ability, Lacking, Plane};
use super::{Stranger, Token};
use crate::complaints;
use crate::problem::Problem;
use crate::routes::App;
use crate::wire::InvalidateRequest;

/// The token of a request that was let in; the gate puts it there.
#[derive(Clone)]
pub(crate) struct Known(pub(crate) Arc<Token>);

/// Who calls the data plane: the holder of a token, or anybody where the plane is open.
pub(crate) struct Caller(Option<Arc<Token>>);

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        match parts.extensions.remove::<Known>() {
            Some(Known(token)) => Ok(Self(Some(token))),
            None if !app.access.guards(Plane::Data) => Ok(Self(None)),
            // The gate lets nobody through without; were it left out, nobody gets in.
            None => Err(Stranger::NoToken(Plane::Data.as_str()).into_problem(Plane::Data)),
        }
    }
}

impl Caller {
    /// Whether the caller may do `ability` to entries of `resource` of `tenant`.
    pub(crate) fn may(
        &self,
        ability: Ability,
        tenant: &str,
        resource: &str,
    ) -> Result<(), Problem> {
        self.held(|token| token.scope.on(ability, tenant, resource))
    }

    /// Whether the caller may make all that stale.
    pub(crate) fn may_invalidate(&self, asked: &InvalidateRequest) -> Result<(), Problem> {
        self.held(|token| token.scope.invalidating(asked))
    }

    fn held(&self, rule: impl FnOnce(&Token) -> Result<(), Lacking>) -> Result<(), Problem> {
        match &self.0 {
            None => Ok(()),
            Some(token) => rule(token).map_err(|lacking| forbidden(token, Plane::Data, &lacking)),
        }
    }
}

/// The answer to a known token that may not do what it asked for.
pub(crate) fn forbidden(token: &Token, plane: Plane, lacking: &Lacking) -> Problem {
    let detail = format!("the token `{}` {lacking}", token.name);
    count(plane, "forbidden", &token.name);
    let problem = Problem::new(StatusCode::FORBIDDEN, "forbidden", detail);
    complaints::note(&problem, &token.name);
    problem
}

impl Stranger {
    /// The answer to a caller who is not known.
    pub(crate) fn into_problem(self, plane: Plane) -> Problem {
        count(plane, "unauthenticated", "");
        // Anybody can cause this line, as often as they like.
        tracing::debug!(plane = plane.as_str(), "refused: {self}");
        let detail = self.to_string();
        Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail)
    }
}

/// The refusals that there may be of a plane by these tokens, at zero before the first, which an
/// alert on the rate would miss.
pub(super) fn register(plane: Plane, tokens: &[Arc<Token>]) {
    let _ = counter(plane, "unauthenticated", "");
    for token in tokens {
        let _ = counter(plane, "forbidden", &token.name);
    }
}

fn count(plane: Plane, code: &'static str, token: &str) {
    counter(plane, code, token).increment(1);
}

fn counter(plane: Plane, code: &'static str, token: &str) -> metrics::Counter {
    metrics::counter!("larder_refused_requests_total",
        "plane" => plane.as_str(), "code" => code, "token" => token.to_owned())
}
