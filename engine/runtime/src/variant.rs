//! What the engine adds to a policy's key: the query, where the policy does not tell it, and where an
//! application loads, the context and the credentials of the request as well.
//!
//! An entry of such a request is a variant of the policy's key. What makes a key stale makes its
//! variants stale, by a tag of the engine's own that each of them carries.

use larder_core::beside;
use larder_core::query::{self, Unsaid};
use larder_core::{
    Dependency, Hex, Manifest, NotStored, Operation, Request, RequestError, Strategy, request,
};
use sha2::{Digest, Sha256};

use crate::decide::Decided;
use crate::error::Error;
use crate::route::{Resolved, Undeclared};

/// How the tags of variants begin.
const OWN: &str = "variants:";

/// The tag of all variants of a key.
pub(crate) fn tag(namespace: &str, key: &str) -> String {
    let mut digest = Sha256::new();
    digest.update((namespace.len() as u64).to_le_bytes());
    digest.update(namespace.as_bytes());
    digest.update(key.as_bytes());
    format!("{OWN}{}", Hex(&digest.finalize()))
}

/// How many of these tags somebody named: those of the engine's own are no business of a caller's.
pub(crate) fn count_named(tags: &[String]) -> usize {
    tags.iter().filter(|tag| !tag.starts_with(OWN)).count()
}

/// What every variant of these keys depends on.
pub(crate) fn of_keys<'a>(
    tenant: &'a str,
    keys: &'a [(String, String)],
) -> impl Iterator<Item = Dependency> + 'a {
    keys.iter()
        .map(move |(namespace, key)| Dependency::tag(tenant, &tag(namespace, key)))
}

/// The keys that a text from a person stands for, beside the one of that name.
pub(crate) fn named(key: &str) -> Option<(&str, &str)> {
    larder_core::key::taken(key)
}

/// Who brings what is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadedBy {
    /// The route's origin; under a cache-aside decision, and without an origin, the application.
    Route,
    /// A closure of the application, whatever the route says.
    Closure,
}

impl LoadedBy {
    /// Whether it is the application, which may heed all that a request says.
    fn is_application(self, route: &Resolved, request: &Request, strategy: Strategy) -> bool {
        let is_leased = request.operation == Operation::Read && strategy == Strategy::CacheAside;
        self == Self::Closure || route.origin.is_none() || is_leased
    }
}

/// Holds a decision to what its request says and its policy does not tell, by the rule of the route.
///
/// # Errors
/// Where the route refuses what its policy does not tell.
pub(crate) fn complete(
    (route, by): (&Resolved, LoadedBy),
    request: &Request,
    manifest: Option<&Manifest>,
    decided: &mut Decided,
) -> Result<(), Error> {
    let by_application = by.is_application(route, request, decided.decision.strategy);
    let declared = |name: &str| manifest.is_some_and(|manifest| manifest.declares(name));
    let attributes = &request.attributes;
    let mut query = None;
    if by_application || route.reads_query() {
        query = query::unsaid(attributes, declared);
    }
    let mut beside = Vec::new();
    if by_application {
        beside = beside::unsaid(attributes, declared);
    }
    if query.is_none() && beside.is_empty() {
        return Ok(());
    }
    match (route.described.undeclared, Odd::of(query.as_ref(), &beside)) {
        (Undeclared::Refuse, Some(odd)) => return Err(odd.refusal()),
        (Undeclared::Bypass, Some(odd)) => odd.keep_out(request, decided),
        // The key of a fallback is made of every attribute.
        _ if decided.fallback.is_some() => {}
        (Undeclared::Key, _) | (_, None) => {
            let sent = query.as_ref().and_then(|_| query::as_sent(attributes));
            decided.query = Some(beside::variant(sent.as_deref(), &beside).into());
        }
    }
    Ok(())
}

/// What a route can refuse, or keep out.
#[derive(Clone, Copy)]
enum Odd<'a> {
    /// A parameter of the query, and what is odd about it, in two forms.
    Query(&'a str, &'static str, &'static str),
    /// A context that the policy does not declare.
    Context(&'a str),
}

impl<'a> Odd<'a> {
    /// Another spelling of the query and credentials are none.
    fn of(query: Option<&'a Unsaid>, beside: &[(&'a str, &'a str)]) -> Option<Self> {
        match query {
            Some(Unsaid::Undeclared(name)) => {
                Some(Self::Query(name, "in it", "the policy does not declare"))
            }
            Some(Unsaid::Repeated(name)) => {
                let why = "is given more than once";
                Some(Self::Query(name, "more than once", why))
            }
            Some(Unsaid::Spelling) | None => beside::context(beside).map(Self::Context),
        }
    }

    fn refusal(self) -> Error {
        match self {
            Self::Query(name, what, _) => {
                let name = request::clip(name);
                RequestError::UndeclaredQuery { name, what }.into()
            }
            Self::Context(name) => RequestError::UndeclaredContext(request::clip(name)).into(),
        }
    }

    fn keep_out(self, request: &Request, decided: &mut Decided) {
        let (why, what) = match self {
            Self::Query(name, _, why) => (
                NotStored::UndeclaredQuery,
                format!("the query has `{}`, which {why}", request::clip(name)),
            ),
            Self::Context(name) => (
                NotStored::UndeclaredContext,
                format!(
                    "the request has the context `{}`, which the policy does not declare",
                    request::clip(name)
                ),
            ),
        };
        go_around(request, decided);
        decided.decision.reason = format!("kept out of the cache: {what}");
        decided.kept_out = Some(why);
    }
}

fn go_around(request: &Request, decided: &mut Decided) {
    let decision = &mut decided.decision;
    let around = match decision.strategy {
        // Their writes fill nothing, and without an origin there is no other way for them.
        Strategy::CacheAside | Strategy::ReadThrough => request.operation == Operation::Read,
        Strategy::Bypass | Strategy::WriteThrough | Strategy::WriteBehind => true,
    };
    if around {
        decision.strategy = Strategy::Bypass;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_different_keys_differ() {
        let all = [
            tag("product", "product:1"),
            tag("product", "product:2"),
            tag("produc", "tproduct:1"),
            tag("", "productproduct:1"),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one), "{i}");
        }
    }
}
