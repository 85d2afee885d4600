//! What a change of a row makes stale: one list for the engine's own writes and for those of
//! others that it is told of.

use larder_core::{Decision, Request};

use crate::fallback::{self, OnFailure};
use crate::invalidate::Invalidation;

/// What a write or a delete that was decided so makes stale beside the entry under its own key:
/// the policy's targets, and what the engine keeps of the row under names of its own.
pub(crate) fn beside_own_key(
    request: &Request,
    decision: &Decision,
    on_failure: &OnFailure,
) -> Invalidation {
    let (tenant, namespace) = (&request.tenant, &decision.namespace);
    let mut stale = Invalidation::of_targets(tenant, namespace, &decision.invalidates);
    let own = own_key(decision);
    stale.keys.retain(|key| *key != own);
    stale.tags.extend(own_tags(request, on_failure));
    stale
}

/// The namespace and the key of the row's entry.
pub(crate) fn own_key(decision: &Decision) -> (String, String) {
    (decision.namespace.clone(), decision.key.clone())
}

/// The tags that the engine itself gives to entries of a row, whatever its policy says.
pub(crate) fn own_tags(request: &Request, on_failure: &OnFailure) -> Option<String> {
    matches!(on_failure, OnFailure::DefaultDecision(_)).then(|| fallback::tag(request))
}
