//! What answers for a policy that failed.

use larder_core::query::is_part;
use larder_core::{
    Decision, Freshness, Hex, Identity, Loading, Manifest, Operation, Request, Strategy, Target,
};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::write::is_precondition;

/// What happens to requests whose policy failed.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum OnFailure {
    /// Reads go to the origin and leave the cache alone; writes and deletes are refused.
    #[default]
    Bypass,
    /// Requests are answered by a decision that the operator wrote down.
    DefaultDecision(Box<DefaultDecision>),
    /// Requests are refused.
    Deny,
}

impl OnFailure {
    /// The name used in the configuration, the API, logs and metrics.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::DefaultDecision(_) => "default_decision",
            Self::Deny => "deny",
        }
    }
}

/// The operator's own decision for when a policy fails.
///
/// What is stored by it lies under keys of its own. Every later write or delete of the same
/// resource and id makes it stale, and so do the tags here; an invalidation of the key that the
/// policy would have chosen does not reach it.
#[derive(Clone, Debug, PartialEq)]
pub struct DefaultDecision {
    /// Which caching pattern runs.
    pub strategy: Strategy,
    /// How long values may be served.
    pub freshness: Freshness,
    /// Tags of the entries.
    pub tags: Vec<String>,
    /// What a write or a delete makes stale. Empty means that nobody knows: writes and deletes
    /// are then refused.
    pub invalidates: Vec<Target>,
}

impl DefaultDecision {
    /// The decision about `request`. Its key holds every input that can shape the value, apart
    /// from the keys that policies choose.
    pub(crate) fn decide(&self, request: &Request, reason: String) -> Decision {
        let mut decision = Decision::new(self.strategy, key(request));
        decision.freshness = self.freshness;
        decision.tags.clone_from(&self.tags);
        decision.tags.push(tag(request));
        decision.loading = Loading::default();
        if request.operation != Operation::Read {
            decision.invalidates.clone_from(&self.invalidates);
        }
        decision.reason = reason;
        decision
    }
}

/// Says that a fallback answered, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Fallback {
    /// `bypass` or `default_decision`.
    pub rule: &'static str,
    /// How the policy failed: the name of the failure, or `guard` where its answer could not be used.
    pub failure: &'static str,
    /// The same in words.
    pub message: String,
}

/// The decision to leave the cache alone.
pub(crate) fn bypass(request: &Request, reason: String) -> Decision {
    let mut decision = Decision::new(Strategy::Bypass, key(request));
    decision.reason = reason;
    decision
}

/// The identity shown while no build of `name` is loaded.
pub(crate) fn nobody(name: &str) -> Identity {
    Identity {
        name: name.to_owned(),
        version: String::new(),
        revision: "none".to_owned(),
        contract: String::new(),
        settings: String::new(),
    }
}

/// The attributes that may reach the origin: those that the policy declares, and of a write its
/// preconditions. Where the origin `reads_query` that passes whole: what the policy does not tell of
/// it is added to the key. It passes too while no policy is loaded, as it says which thing is wanted
/// and carries no credentials.
pub(crate) fn for_origin(
    manifest: Option<&Manifest>,
    request: &Request,
    reads_query: bool,
) -> Vec<(String, String)> {
    let whole = reads_query || manifest.is_none();
    let is_write = request.operation != Operation::Read;
    let declared = |name: &str| manifest.is_some_and(|manifest| manifest.declares(name));
    let passes = |name: &str| {
        (whole && is_part(name)) || (is_write && is_precondition(name)) || declared(name)
    };
    let attributes = request.attributes.iter();
    attributes
        .filter(|(name, _)| passes(name))
        .cloned()
        .collect()
}

/// The tag of all that default decisions store of one thing.
pub(crate) fn tag(request: &Request) -> String {
    digest([&request.resource, &request.id].into_iter())
}

/// A key of all inputs.
fn key(request: &Request) -> String {
    let mut attributes: Vec<_> = request.attributes.iter().collect();
    // What has one name stays in its order.
    attributes.sort_by_key(|(name, _)| name);
    let attributes = attributes
        .into_iter()
        .flat_map(|(name, value)| [name, value]);
    let names = [&request.resource, &request.id].into_iter();
    digest(names.chain(attributes))
}

/// Lengths go into the digest with each text, so that no two lists run together into the same
/// bytes.
fn digest<'a>(texts: impl Iterator<Item = &'a String>) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_le_bytes());
        digest.update(text.as_bytes());
    }
    format!("fallback:{}", Hex(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_hold_every_input() {
        let base = || Request::read("product", "42");
        let all = [
            key(&base()),
            key(&Request::read("product", "43")),
            key(&Request::read("produc", "t42")),
            key(&base().with("query.page", "1")),
            key(&base().with("query.pag", "e1")),
            key(&base().with("query.page", "1").with("query.sort", "a")),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(!all[..i].contains(one), "{i}");
        }
        let swapped = base().with("b", "2").with("a", "1");
        assert_eq!(key(&base().with("a", "1").with("b", "2")), key(&swapped));
    }

    #[test]
    fn only_declared_attributes_reach_the_origin() {
        let request = Request::read("product", "42")
            .with("query.page", "2")
            .with("header.cookie", "secret");
        let declared = Manifest {
            request_attributes: vec!["header.cookie".to_owned()],
            ..Manifest::default()
        };
        let named = |manifest| -> Vec<String> {
            let passed = for_origin(manifest, &request, false);
            passed.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(named(Some(&declared)), ["header.cookie"]);
        let nothing = Manifest::default();
        assert_eq!(named(Some(&nothing)), [""; 0]);
        assert_eq!(named(None), ["query.page"]);
    }

    #[test]
    fn the_query_passes_whole_where_it_is_read_and_preconditions_with_writes() {
        let request = |request: Request| {
            request
                .with("query.page", "2")
                .with("query", "page=2&page=2")
                .with("header.cookie", "secret")
                .with("header.if-match", "v")
        };
        let nothing = Manifest::default();
        for (request, reads_query, expected) in [
            (
                request(Request::read("p", "1")),
                true,
                &["query.page", "query"][..],
            ),
            (request(Request::read("p", "1")), false, &[]),
            (
                request(Request::delete("p", "1")),
                false,
                &["header.if-match"],
            ),
            (
                request(Request::write("p", "1")),
                true,
                &["query.page", "query", "header.if-match"],
            ),
        ] {
            let passed = for_origin(Some(&nothing), &request, reads_query);
            let names: Vec<_> = passed.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, expected);
        }
    }
}
