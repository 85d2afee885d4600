//! Benches against peers: the decision of the policy `standard` in plain Rust, on Larder and in
//! other engines for rules, and `POST /v1/decide` beside an axum handler with the same logic. This
//! library holds the subjects and the measuring; the benches `decide` and `http` print tables.
//! Before anything is timed, all subjects must give the same answers. What a part of Larder costs
//! by itself is left to the benches beside its code.
//!
//! ```sh
//! cargo bench -p larder-peers --bench decide
//! cargo bench -p larder-peers --bench http
//! cargo run -p larder-peers --bin race       # the rows of docs/race.md that can be made here
//! ```

pub mod client;
pub mod host;
pub mod native;
pub mod question;
pub mod race;
pub mod rego;
pub mod rounds;
pub mod script;
pub mod servers;
pub mod settings;
