//! Decisions over the wire.

use std::fmt;
use std::sync::Arc;

use larder::core::{Clamp, Decision, Identity, Operation};
use larder::{Decided, Error, Fallback, Request};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::Problem;

/// A request to be decided about.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideRequest {
    /// The policy to ask; without it the one of the resource's route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// What is asked.
    pub request: WireRequest,
}

/// One request.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WireRequest {
    /// `read`, `write` or `delete`.
    #[schema(example = "read", value_type = Operation)]
    pub operation: String,
    /// Whose data; leave it out where there is one tenant.
    #[serde(default)]
    #[schema(max_length = 256, pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$")]
    pub tenant: String,
    /// The kind of thing.
    #[serde(default)]
    #[schema(
        example = "product",
        required = true,
        min_length = 1,
        max_length = 256,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$"
    )]
    pub resource: String,
    /// Which one.
    #[serde(default)]
    #[schema(
        example = "42",
        required = true,
        min_length = 1,
        max_length = 4096,
        pattern = r"^[^\u0000-\u001F\u007F-\u009F]*$"
    )]
    pub id: String,
    /// Inputs by name, such as `query.page` or `context.tier`; `query` is the query as it is sent,
    /// where `query.*` do not tell it, as in `q=a&q=b`.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    pub attributes: Attributes,
}

/// Named texts, kept in their order.
#[derive(Clone, Debug, Default)]
pub struct Attributes(pub Vec<(String, String)>);

impl Serialize for Attributes {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Attributes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Attributes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of texts, like {\"query.page\": \"2\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attributes, A::Error> {
                let mut pairs = Vec::with_capacity(map.size_hint().unwrap_or(0).min(64));
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    if pairs.iter().any(|(known, _)| *known == name) {
                        let twice = format!("the attribute `{name}` is given twice");
                        return Err(serde::de::Error::custom(twice));
                    }
                    pairs.push((name, value));
                }
                Ok(Attributes(pairs))
            }
        }
        from.deserialize_map(Pairs)
    }
}

impl WireRequest {
    /// The request as the engine takes it.
    ///
    /// # Errors
    /// [`Error::Request`] for an unknown operation; the rest is checked by the engine.
    pub fn into_request(self) -> Result<Request, Error> {
        Ok(Request {
            operation: self.operation.parse()?,
            tenant: self.tenant,
            resource: self.resource,
            id: self.id,
            attributes: self.attributes.0,
        })
    }
}

/// Up to 1,000 requests to be decided about.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// The requests.
    #[schema(max_items = 1000)]
    pub requests: Vec<DecideRequest>,
}

/// The answers to a batch, in its order.
#[derive(Serialize, ToSchema)]
pub struct BatchReply {
    /// A decision or an error for each request.
    pub results: Vec<BatchResult>,
}

/// The answer to one request of a batch.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub enum BatchResult {
    /// The decision.
    Decided(Box<DecideReply>),
    /// Why there is none.
    Failed {
        /// What went wrong with this one.
        error: Problem,
    },
}

/// A decision, who made it and what the guard changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DecideReply {
    /// Names the decision; ordered by time.
    pub decision_id: Uuid,
    /// The build that decided.
    #[schema(value_type = Identity)]
    pub policy: Arc<Identity>,
    /// What holds. Its key is the one that the engine uses: with `~?` and the query behind it, where
    /// the policy does not tell the query.
    pub decision: Decision,
    /// What the guard changed.
    pub clamped: Vec<Clamp>,
    /// Set where the policy failed and something else decided.
    pub fallback: Option<Fallback>,
    /// What it took.
    pub metrics: DecideMetrics,
}

/// What a decision took.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DecideMetrics {
    /// How long the policy took, in nanoseconds.
    pub evaluate_ns: u64,
}

impl From<Decided> for DecideReply {
    fn from(decided: Decided) -> Self {
        let key = decided.shown_key();
        Self {
            decision_id: decided.decision_id,
            policy: decided.policy,
            decision: Decision {
                key,
                ..decided.decision
            },
            clamped: decided.clamped,
            fallback: decided.fallback,
            metrics: DecideMetrics {
                evaluate_ns: decided.evaluate_ns,
            },
        }
    }
}
