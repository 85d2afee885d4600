//! What goes over the wire, as one set of types for the server, its clients and the description.

mod decide;
mod entries;
mod invalidate;
pub mod queue;
mod status;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::decide::{
    Attributes, BatchReply, BatchRequest, BatchResult, DecideMetrics, DecideReply, DecideRequest,
    WireRequest,
};
pub use self::entries::{FillReply, WriteReply};
pub use self::invalidate::{
    FoundKey, FoundName, FoundPattern, FoundReply, FoundRow, InvalidateReply, InvalidateRequest,
    KeyName, PatternName, RowName, SweepReply,
};
pub use self::status::{OutboxReply, RouteStatus, StatusReply, StoreStatus};

/// To which build a policy is to be pinned.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PinRequest {
    /// A revision as `GET /v1/policies` shows it; none ends the pin.
    #[serde(default)]
    pub revision: Option<String>,
}

/// What reading the configuration again came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReloadReply {
    /// What has changed in it and holds from now on, as the configuration names it.
    pub changed: Vec<String>,
    /// What has changed in it and holds after a restart.
    pub needs_restart: Vec<String>,
    /// What is allowed in it and probably not meant.
    pub warnings: Vec<String>,
}

/// An error (RFC 9457).
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of error as a URN.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The stable name to program against.
    pub code: String,
    /// What happened, to what, and what to do.
    pub detail: String,
}
