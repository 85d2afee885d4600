//! The trait that policies implement.

use serde::de::DeserializeOwned;

use crate::admission::{Admission, Loaded};
use crate::decision::Decision;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::request::Request;

/// A cache policy: a function of the declared inputs, and of settings given once.
///
/// It must answer the same to the same request and keep nothing between calls: the engine runs
/// many instances, remembers answers and throws instances away.
pub trait Policy: Sized + 'static {
    /// The operator's settings, from a table in the configuration. [`crate::NoSettings`] for a
    /// policy without any. `#[serde(default, deny_unknown_fields)]` turns a misspelt setting into
    /// an error that names it.
    type Settings: DeserializeOwned;

    /// What the policy says of itself: its name, and the inputs it is shown.
    fn manifest() -> Manifest;

    /// Makes the policy from its settings, once, before the first decision.
    ///
    /// # Errors
    /// Says which setting cannot be used and why; the policy then does not serve.
    fn new(settings: Self::Settings) -> Result<Self, Error>;

    /// Decides about one request.
    ///
    /// # Errors
    /// Says why there is no answer. A read is then answered by the configured fallback, a write
    /// or delete refused.
    fn decide(&self, request: &Request) -> Result<Decision, Error>;

    /// Decides whether and for how long what was loaded may be stored. Asked only if the manifest
    /// says [`Manifest::admits`]; the default stores as decided.
    ///
    /// # Errors
    /// Says why there is no answer; nothing is stored then.
    fn admit(
        &self,
        _request: &Request,
        decision: &Decision,
        _loaded: &Loaded,
    ) -> Result<Admission, Error> {
        Ok(Admission::as_decided(decision))
    }
}
