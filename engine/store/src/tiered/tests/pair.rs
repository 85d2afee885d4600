//! Two engines over one shared store, which are told of each other's changes at once.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use larder_core::dependency::Mode;
use larder_core::{Dependency, Entry, Key, Pattern, Timestamp, Version};

use super::Node;
use super::far::Far;
use crate::store::{
    Answer, Expected, Filled, Found, LeaseRequest, Leased, Step, Store, Summary, Token,
};
use crate::sweep::Sweep;

/// Every call goes to one of the two, whichever.
pub(in crate::tiered) struct Pair {
    far: Arc<Far>,
    nodes: [Node; 2],
}

impl Pair {
    pub(in crate::tiered) fn new() -> Self {
        let far = Far::new();
        let nodes = [Node::over(&far), Node::over(&far)];
        nodes.iter().for_each(|node| far.tells(&node.near));
        Self { far, nodes }
    }

    fn one(&self) -> &dyn Store {
        &self.nodes[fastrand::usize(..2)].store
    }
}

impl Store for Pair {
    fn get<'a>(
        &'a self,
        key: &'a Key,
        expected: Expected<'a>,
        now: Timestamp,
    ) -> Answer<'a, Option<Found>> {
        self.one().get(key, expected, now)
    }

    fn versions<'a>(&'a self, of: &'a [Dependency]) -> Answer<'a, Vec<Version>> {
        self.one().versions(of)
    }

    fn lease<'a>(&'a self, wish: LeaseRequest<'a>) -> Answer<'a, Leased> {
        self.one().lease(wish)
    }

    fn holds<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        under: &'a [(Dependency, Version)],
        now: Timestamp,
    ) -> Answer<'a, bool> {
        self.one().holds(key, token, under, now)
    }

    fn fill<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        entry: Entry,
        now: Timestamp,
    ) -> Answer<'a, Filled> {
        self.one().fill(key, token, entry, now)
    }

    fn extend<'a>(
        &'a self,
        key: &'a Key,
        token: Token,
        ttl_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, bool> {
        self.one().extend(key, token, ttl_ms, now)
    }

    fn release<'a>(&'a self, key: &'a Key, token: Token) -> Answer<'a, ()> {
        self.one().release(key, token)
    }

    fn begin_write<'a>(&'a self, key: &'a Key, ttl_ms: u64, now: Timestamp) -> Answer<'a, Token> {
        self.one().begin_write(key, ttl_ms, now)
    }

    fn invalidate<'a>(&'a self, key: &'a Key, mode: Mode, now: Timestamp) -> Answer<'a, bool> {
        self.one().invalidate(key, mode, now)
    }

    fn bump<'a>(
        &'a self,
        all: &'a [Dependency],
        mode: Mode,
        now: Timestamp,
    ) -> Answer<'a, Vec<Step>> {
        self.one().bump(all, mode, now)
    }

    fn note_written<'a>(
        &'a self,
        names: &'a [Dependency],
        keep_ms: u64,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        self.one().note_written(names, keep_ms, now)
    }

    fn written_ago<'a>(
        &'a self,
        names: &'a [Dependency],
        now: Timestamp,
    ) -> Answer<'a, Option<u64>> {
        self.one().written_ago(names, now)
    }

    fn ban<'a>(&'a self, pattern: &'a Pattern, mode: Mode, now: Timestamp) -> Answer<'a, Sweep> {
        self.one().ban(pattern, mode, now)
    }

    fn changed<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, ()> {
        self.one().changed(key)
    }

    fn sweep(&self, now: Timestamp) -> u64 {
        let swept = self.nodes.iter().map(|node| node.store.sweep(now));
        swept.sum()
    }

    fn summary(&self) -> Summary {
        self.far.summary()
    }
}
