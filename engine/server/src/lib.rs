//! The engine over HTTP: routes, wire types, errors as problem documents, two listeners, who may
//! call them, timeouts and a graceful end. Deciding and caching are left to `larder`; what is
//! configured and from where to `larder-cli`. Nothing else in the project knows axum.
//!
//! | file | concept |
//! |---|---|
//! | [`server`] | binds, serves and drains; `connection` has the timers |
//! | `gate` | what stands before the routes: [`access`], and `in_flight`, which sheds load |
//! | [`live`] | what a running server goes by, exchanged as a whole |
//! | `routes` | the two planes |
//! | `decide`, `entries`, `leases`, `invalidate` | the data plane |
//! | `policies`, `queue`, `reload`, `status` | the admin plane |
//! | [`wire`] | what goes over the wire |
//! | [`problem`] | errors (RFC 9457); `complaints` is what the log says of them |
//! | `inputs`, `headers` | from HTTP to attributes, and from outcomes to headers; `builds` has what they say of policies |
//! | `seal` | leases that nobody can forge |
//! | [`metrics`] | Prometheus |
//! | `openapi` | the description of both planes |

pub mod access;
mod body;
mod builds;
mod complaints;
mod conditional;
mod connection;
mod deadline;
mod decide;
#[doc(hidden)]
pub mod direct;
mod entries;
mod front;
mod gate;
mod headers;
mod in_flight;
mod inputs;
mod invalidate;
mod leases;
pub mod live;
pub mod metrics;
mod openapi;
mod policies;
pub mod problem;
mod queue;
mod reload;
mod routes;
mod seal;
pub mod server;
pub mod settings;
mod singles;
mod status;
mod stored;
mod targeted;
mod unread;
pub mod wire;

pub use access::Token;
pub use live::{Next, Reload};
pub use metrics::{Metrics, install_metrics};
pub use openapi::describe as openapi;
pub use server::{BindError, Parts, ServeError, Server};
pub use settings::Settings;
