//! What values depend on and an origin is never sent.

use larder_core::Manifest;
use larder_core::request::clip;

use crate::route::Resolved;

/// A policy declares a whole class of inputs, so values depend on it, and the origin of the route
/// is never sent that class: what it answers would be the answer to something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the policy `{policy}` says that values depend on `{class}`, and the origin `{origin}` of the \
     route for `{resource}` is never sent that, so it would answer something else; take `origin` \
     out of the route and let the application load (cache_aside, or get_or_load), or name another \
     policy"
)]
pub struct Unseen {
    /// The resource, or the route's pattern.
    pub resource: String,
    /// The policy.
    pub policy: String,
    /// The origin.
    pub origin: String,
    /// The class, for example `context.*`.
    pub class: &'static str,
}

/// The class that the manifest declares as a whole and the route's origin is never sent.
pub(crate) fn class(manifest: &Manifest, route: &Resolved) -> Option<&'static str> {
    let origin = route.origin.as_ref()?;
    manifest.classes().find(|class| !origin.sees(class))
}

/// The refusal of a class.
pub(crate) fn refusal(class: &'static str, route: &Resolved, resource: &str) -> Unseen {
    Unseen {
        resource: clip(resource),
        policy: route.policy.to_string(),
        origin: route.origin_name.as_deref().unwrap_or_default().to_owned(),
        class,
    }
}
