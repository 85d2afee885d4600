//! Limits of the engine itself, where neither a policy nor an origin sets one.

/// Limits of the engine itself. The defaults suit an origin that answers within seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// How long a read takes at most where its caller sets no deadline, in milliseconds. A load
    /// that is still under way then goes on for others. It should leave time for the longest load
    /// timeout, which is the guard's. Default: 75 s.
    pub read_timeout_ms: u64,
    /// How long a load may take where the decision sets no hard timeout, in milliseconds.
    /// Default: 30 s.
    pub load_timeout_ms: u64,
    /// How long after a failed refresh the next one is tried while a stale value can be served, in
    /// milliseconds. Default: 1 s.
    pub retry_after_ms: u64,
    /// How long a cache-aside read waits for the holder of the lease before it is told to load by
    /// itself, in milliseconds; a decision's soft timeout overrides it. Default: 1 s.
    pub lease_wait_ms: u64,
    /// How long an application may take to fill its lease where the decision sets no hard timeout,
    /// in milliseconds. Default: 10 s.
    pub lease_ttl_ms: u64,
    /// How long the lease of a load lasts unless it is extended, in milliseconds. The engine
    /// extends it while the load runs, so this is how long others wait for a node that died.
    /// Default: 3 s.
    pub load_lease_ms: u64,
    /// How long a load waits for another node's load of the same key, or for a write, before it
    /// loads without storing, in milliseconds; only where the decision guards the whole cluster.
    /// Default: 5 s.
    pub cluster_wait_ms: u64,
    /// The largest value handed to a policy that reads bodies, in bytes. Default: 64 KiB.
    pub admit_body_max: usize,
    /// How often ended entries and leases are swept, in milliseconds. Default: 1 s.
    pub sweep_every_ms: u64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            read_timeout_ms: 75_000,
            load_timeout_ms: 30_000,
            retry_after_ms: 1_000,
            lease_wait_ms: 1_000,
            lease_ttl_ms: 10_000,
            load_lease_ms: 3_000,
            cluster_wait_ms: 5_000,
            admit_body_max: 64 * 1024,
            sweep_every_ms: 1_000,
        }
    }
}
