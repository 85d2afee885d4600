//! A real origin that takes batches only while it is open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;
use larder::Value;
use larder::origin::{Change, Fetched, Origin, OriginError, PutMeaning, Wanted, Written};

pub(super) struct Faucet {
    pub(super) origin: Arc<dyn Origin>,
    shut: AtomicBool,
    away: AtomicBool,
}

impl Faucet {
    pub(super) fn new(origin: Arc<dyn Origin>) -> Self {
        let (shut, away) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { origin, shut, away }
    }

    /// Takes no batches.
    pub(super) fn shut(&self) {
        self.shut.store(true, Ordering::SeqCst);
    }

    /// Answers nothing at all.
    pub(super) fn go_away(&self) {
        self.shut();
        self.away.store(true, Ordering::SeqCst);
    }

    pub(super) fn open(&self) {
        self.shut.store(false, Ordering::SeqCst);
        self.away.store(false, Ordering::SeqCst);
    }
}

fn away() -> OriginError {
    OriginError::Unreachable("told to be".into())
}

impl Origin for Faucet {
    fn load<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Fetched, OriginError>> {
        match self.away.load(Ordering::SeqCst) {
            true => Box::pin(async { Err(away()) }),
            false => self.origin.load(wanted),
        }
    }

    fn write<'a>(
        &'a self,
        wanted: Wanted<'a>,
        value: &'a Value,
    ) -> BoxFuture<'a, Result<Written, OriginError>> {
        self.origin.write(wanted, value)
    }

    fn delete<'a>(&'a self, wanted: Wanted<'a>) -> BoxFuture<'a, Result<Written, OriginError>> {
        self.origin.delete(wanted)
    }

    fn apply<'a>(
        &'a self,
        changes: &'a [Change<'a>],
    ) -> BoxFuture<'a, Vec<Result<Written, OriginError>>> {
        match self.shut.load(Ordering::SeqCst) {
            true => Box::pin(async { vec![Err(away()); changes.len()] }),
            false => self.origin.apply(changes),
        }
    }

    fn put_meaning(&self) -> PutMeaning {
        self.origin.put_meaning()
    }

    fn whole(&self, wanted: Wanted<'_>, value: &Value) -> Option<Value> {
        self.origin.whole(wanted, value)
    }

    fn as_read(&self, value: &Value) -> Option<Value> {
        self.origin.as_read(value)
    }

    fn tells_resources(&self) -> bool {
        self.origin.tells_resources()
    }

    fn reads_query(&self) -> bool {
        self.origin.reads_query()
    }

    fn keeps_headers(&self) -> bool {
        self.origin.keeps_headers()
    }

    fn sees(&self, class: &str) -> bool {
        self.origin.sees(class)
    }

    fn computes(&self) -> bool {
        self.origin.computes()
    }

    fn summary(&self) -> String {
        self.origin.summary()
    }
}
