//! Why Redis cannot be used, in words that say what to change.

/// Why a connection to Redis was not made. No message contains a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(
    missing_docs,
    reason = "the messages say it; the fields are what they name"
)]
pub enum ConnectError {
    #[error("the redis configuration is wrong: {why}")]
    Config { why: String },
    #[error("nothing listens at {address}: start Redis there, or correct the address")]
    Refused { address: String },
    #[error("the host name `{host}` does not resolve: correct the address, or the name service")]
    Unresolvable { host: String },
    #[error(
        "{address} did not answer within {limit_ms} ms: check the address and the firewall, or raise the time to connect (`connect_timeout`)"
    )]
    Silent { address: String, limit_ms: u64 },
    #[error("the connection to {address} broke: {why}")]
    Broken { address: String, why: String },
    #[error(
        "{address} wants a password: put it into the url, redis://user:password@host:port (for a master behind sentinels, into `sentinel.password`)"
    )]
    PasswordNeeded { address: String },
    #[error(
        "{address} refuses user `{user}`: the password is wrong, or the user does not exist or is disabled; compare with ACL LIST on the server"
    )]
    WrongPassword { address: String, user: String },
    #[error(
        "user `{user}` at {address} lacks a permission: {why}; allow it with ACL SETUSER on the server"
    )]
    Forbidden {
        address: String,
        user: String,
        why: String,
    },
    #[error(
        "{address} does not speak TLS: write redis:// in place of rediss://, or give the server's TLS port"
    )]
    PlainPort { address: String },
    #[error(
        "{address} speaks TLS: write rediss:// in place of redis://, or give the server's plain port"
    )]
    TlsPort { address: String },
    #[error(
        "the certificate of {address} is not accepted ({why}): set `ca_file` to the PEM file of the authority that signed it, and use the host name it was made for"
    )]
    Certificate { address: String, why: String },
    #[error("{address} has no database {db}: {why}; correct the number at the end of the url")]
    NoDatabase {
        address: String,
        db: i64,
        why: String,
    },
    #[error(
        "{address} is a node of a Cluster, but is configured as a single server: set `cluster = [\"redis://{address}\"]` in place of `url`"
    )]
    IsCluster { address: String },
    #[error(
        "{address} is not a node of a Cluster (`cluster-enabled` is off): set `url = \"redis://{address}\"` in place of `cluster`"
    )]
    NotCluster { address: String },
    #[error(
        "{address} is a sentinel: set `sentinel = {{ urls = [\"redis://{address}\"], master = \"…\" }}`"
    )]
    IsSentinel { address: String },
    #[error("{address} is not a sentinel: correct `sentinel.urls` (sentinels listen on 26379)")]
    NotSentinel { address: String },
    #[error(
        "{address} is a replica and takes no writes: give the address of its master, or use `sentinel`"
    )]
    IsReplica { address: String },
    #[error("no sentinel knows a master `{master}`: correct `sentinel.master`; known: {known}")]
    UnknownMaster { master: String, known: String },
    #[error("no sentinel answers: {tried}")]
    NoSentinel { tried: String },
    #[error("the Cluster cannot be used: {why}")]
    ClusterDown { why: String },
    #[error(
        "{address} runs version {version}: Redis 7.0 or newer is needed, or any Valkey (for RESP3 and its commands)"
    )]
    TooOld { address: String, version: String },
    #[error(
        "{address} may evict any key (`maxmemory-policy` is {policy}), and with a ban goes what it banned: run CONFIG SET maxmemory-policy volatile-lru there (and in its configuration file), or set it to noeviction; a server that has neither must not evict at all; `accept_eviction = true` connects all the same"
    )]
    Evicts { address: String, policy: String },
    #[error(
        "{address} does not tell what it may evict (neither `maxmemory_policy` in INFO memory nor CONFIG GET maxmemory-policy), and with a ban goes what it banned: let its user run one of the two, or use a server that answers; `accept_eviction = true` connects all the same"
    )]
    EvictsPerhaps { address: String },
    #[error(
        "{address} may evict any key (`maxmemory-policy` is {policy}), and with them writes that wait for their origin: run CONFIG SET maxmemory-policy volatile-lru there (and in its configuration file), or set it to noeviction; a server that has neither must not evict at all"
    )]
    EvictsQueue { address: String, policy: String },
    #[error(
        "{address} does not tell what it may evict (neither `maxmemory_policy` in INFO memory nor CONFIG GET maxmemory-policy), and writes that wait for their origin must not be evicted: let its user run one of the two, or use a server that answers"
    )]
    EvictsQueuePerhaps { address: String },
    #[error(
        "redis at {place} keeps nothing over a restart, as far as it tells, and writes that wait for their origin would be lost with it: run CONFIG SET appendonly yes and CONFIG SET appendfsync always there (and in its configuration file), and allow CONFIG GET to its user; `accept_loss = true` queues all the same"
    )]
    Forgets { place: String },
    #[error(
        "the write-behind queue in redis has format `{found}` (key {key}), which this build does not read: use the build that wrote it, or another `prefix`"
    )]
    OtherFormat { key: String, found: String },
    #[error("{address} does not serve now: {why}")]
    NotReady { address: String, why: String },
}

impl ConnectError {
    /// Whether waiting may help, without anything being changed in a configuration.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Refused { .. }
                | Self::Silent { .. }
                | Self::Broken { .. }
                | Self::Unresolvable { .. }
                | Self::IsReplica { .. }
                | Self::NoSentinel { .. }
                | Self::ClusterDown { .. }
                | Self::NotReady { .. }
        )
    }
}
