//! Why Redis cannot be used.

/// Why a connection to Redis was not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ConnectError {
    #[error("the redis configuration is wrong: {why}")]
    Config { why: String },
    #[error("the connection to {address} broke: {why}")]
    Broken { address: String, why: String },
}
