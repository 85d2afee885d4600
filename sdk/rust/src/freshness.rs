//! How long an entry may be served.

use std::time::Duration;

/// How long an entry may be served. The default keeps nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Freshness {
    /// How long the value counts as fresh. With zero it is not stored, unless a stale window is
    /// given: then it is stored for that window alone.
    pub ttl: Duration,
    /// The ttl is shortened by a random share of up to this, so that entries made together do not
    /// end together. It never lengthens the ttl.
    pub jitter_percent: u8,
    /// The entry ends when nobody has read it for so long; zero turns it off.
    pub time_to_idle: Duration,
    /// How long after the ttl the value may be served while one refresh runs.
    pub stale_while_revalidate: Duration,
    /// How long after the ttl the value may be served because the origin fails.
    pub stale_if_error: Duration,
    /// How long "the origin has no such thing" is remembered; zero forgets it.
    pub negative_ttl: Duration,
    /// Weight of probabilistic early refresh; 0 turns it off, 1 is the usual choice.
    pub early_refresh_beta: f32,
}

/// The builder methods that a decision and an admission share.
macro_rules! freshness_setters {
    () => {
        /// How long the value counts as fresh. Without it nothing is stored.
        #[must_use]
        pub fn ttl(mut self, ttl: Duration) -> Self {
            self.freshness.ttl = ttl;
            self
        }

        /// Shortens the ttl by a random share of up to `percent`, so that entries made together
        /// do not end together.
        #[must_use]
        pub fn jitter(mut self, percent: u8) -> Self {
            self.freshness.jitter_percent = percent;
            self
        }

        /// Ends the entry when nobody has read it for `idle`.
        #[must_use]
        pub fn time_to_idle(mut self, idle: Duration) -> Self {
            self.freshness.time_to_idle = idle;
            self
        }

        /// Serves the value for `window` beyond the ttl while one refresh runs.
        #[must_use]
        pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
            self.freshness.stale_while_revalidate = window;
            self
        }

        /// Serves the value for `window` beyond the ttl if the origin fails.
        #[must_use]
        pub fn stale_if_error(mut self, window: Duration) -> Self {
            self.freshness.stale_if_error = window;
            self
        }

        /// Remembers for `ttl` that the origin has no such thing.
        #[must_use]
        pub fn negative_ttl(mut self, ttl: Duration) -> Self {
            self.freshness.negative_ttl = ttl;
            self
        }

        /// Refreshes hot entries a little before their end, with the weight `beta`; 1.0 is the
        /// usual choice.
        #[must_use]
        pub fn early_refresh(mut self, beta: f32) -> Self {
            self.freshness.early_refresh_beta = beta;
            self
        }

        /// All of it at once.
        #[must_use]
        pub fn freshness(mut self, freshness: Freshness) -> Self {
            self.freshness = freshness;
            self
        }
    };
}
pub(crate) use freshness_setters;
