//! What the engine adds to a policy's key: the query, where the policy does not tell it.
//!
//! An entry of such a query is a variant of the policy's key. What makes a key stale makes its
//! variants stale, by a tag of the engine's own that each of them carries.

use std::sync::Arc;

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

/// Holds a decision to the query of its request, by the rule of the route.
///
/// # Errors
/// Where the route refuses what its policy does not tell.
pub(crate) fn complete(
    route: &Resolved,
    request: &Request,
    manifest: Option<&Manifest>,
    decided: &mut Decided,
) -> Result<(), Error> {
    if !route.reads_query() {
        return Ok(());
    }
    let declared = |name: &str| manifest.is_some_and(|manifest| manifest.declares(name));
    let Some(unsaid) = query::unsaid(&request.attributes, declared) else {
        return Ok(());
    };
    match (route.described.undeclared, unsaid) {
        (Undeclared::Refuse, Unsaid::Undeclared(name)) => Err(refusal(&name, "in it")),
        (Undeclared::Refuse, Unsaid::Repeated(name)) => Err(refusal(&name, "more than once")),
        (Undeclared::Bypass, Unsaid::Undeclared(name)) => {
            keep_out(request, decided, &name, "the policy does not declare");
            Ok(())
        }
        (Undeclared::Bypass, Unsaid::Repeated(name)) => {
            keep_out(request, decided, &name, "is given more than once");
            Ok(())
        }
        (Undeclared::Key, _) | (_, Unsaid::Spelling) => {
            // The key of a fallback is made of every attribute.
            if decided.fallback.is_none() {
                let sent = query::as_sent(&request.attributes);
                decided.query = sent.map(|sent| Arc::from(sent.as_ref()));
            }
            Ok(())
        }
    }
}

fn refusal(name: &str, what: &'static str) -> Error {
    let name = request::clip(name);
    RequestError::UndeclaredQuery { name, what }.into()
}

fn keep_out(request: &Request, decided: &mut Decided, name: &str, why: &str) {
    let decision = &mut decided.decision;
    let around = match decision.strategy {
        // Their writes fill nothing, and without an origin there is no other way for them.
        Strategy::CacheAside | Strategy::ReadThrough => request.operation == Operation::Read,
        Strategy::Bypass | Strategy::WriteThrough | Strategy::WriteBehind => true,
    };
    if around {
        decision.strategy = Strategy::Bypass;
    }
    let name = request::clip(name);
    decision.reason = format!("kept out of the cache: the query has `{name}`, which {why}");
    decided.kept_out = Some(NotStored::UndeclaredQuery);
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
