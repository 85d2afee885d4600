//! What is wrong with an engine's parts.

use crate::unseen::Unseen;

/// What is wrong with an engine's parts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A route names an origin that is not there.
    #[error(
        "the route for `{resource}` names the origin `{origin}`, which is not there; there is {known}"
    )]
    UnknownOrigin {
        /// The route.
        resource: String,
        /// What it names.
        origin: String,
        /// What there is.
        known: String,
    },
    /// A route's policy says that values depend on what the route's origin is never sent.
    #[error(transparent)]
    Unseen(#[from] Unseen),
    /// A route has no resource or no policy.
    #[error(
        "a route needs a `resource` and a `policy`; one has resource `{resource}` and policy `{policy}`"
    )]
    IncompleteRoute {
        /// Its resource.
        resource: String,
        /// Its policy.
        policy: String,
    },
    /// Limits are set for something that is not there, or cannot be used.
    #[error("the limits of the origin `{origin}` cannot be used: {why}")]
    OriginLimits {
        /// What they are set for.
        origin: String,
        /// What is wrong with them.
        why: String,
    },
    /// A write hold is set for something that is not there.
    #[error("the write hold of the origin `{origin}` cannot be used: {why}")]
    WriteHold {
        /// What it is set for.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// An outbox is set for something that is not there, or cannot be read as its tuning says.
    #[error("the outbox of the origin `{origin}` cannot be used: {why}")]
    Outbox {
        /// What it is set for.
        origin: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is a queue or an outbox, and nothing that could run its tasks.
    #[error(
        "an engine with a write-behind queue or an outbox has tasks of its own for it; build it \
         inside a tokio runtime"
    )]
    NoRuntime,
    /// A default decision cannot be used.
    #[error("the default decision of policy `{policy}` cannot be used: {why}")]
    DefaultDecision {
        /// The policy.
        policy: String,
        /// What is wrong with it.
        why: String,
    },
}
