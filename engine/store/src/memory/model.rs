//! The store against a model that keeps everything in plain lists and forgets nothing.

use futures_util::FutureExt;
use larder_core::dependency::Mode;
use larder_core::freshness::State;
use larder_core::{Dependency, Expiries, Key, Timestamp, Version};
use proptest::prelude::*;

use super::{MemoryConfig, MemoryStore};
use crate::contract::subject;
use crate::store::{Answer, Expected, Filled, LeaseRequest, Leased, Store, Token};

const TTL_MS: u64 = 300;
const STALE_MS: u64 = 200;
const IDLE_MS: u64 = 250;
const LEASE_MS: u64 = 150;

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Get(usize),
    Lease {
        key: usize,
        share: bool,
    },
    BeginWrite(usize),
    /// Of the tokens so far, the one so many before the last.
    Fill(usize),
    Release(usize),
    Holds(usize),
    Invalidate(usize, Mode),
    Bump(usize, Mode),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![Just(Mode::Purge), Just(Mode::Expire)];
    prop_oneof![
        3 => (0u64..200).prop_map(Step::Advance),
        1 => Just(Step::Advance(700_000)),
        4 => (0..2usize).prop_map(Step::Get),
        5 => (0..2usize, any::<bool>()).prop_map(|(key, share)| Step::Lease { key, share }),
        2 => (0..2usize).prop_map(Step::BeginWrite),
        5 => (0..3usize).prop_map(Step::Fill),
        2 => (0..3usize).prop_map(Step::Release),
        2 => (0..3usize).prop_map(Step::Holds),
        2 => (0..2usize, mode.clone()).prop_map(|(key, mode)| Step::Invalidate(key, mode)),
        2 => (0..2usize, mode).prop_map(|(tag, mode)| Step::Bump(tag, mode)),
        1 => Just(Step::Sweep),
    ]
}

/// How often a tag was purged and expired.
#[derive(Clone, Copy, Debug, Default)]
struct Tag {
    purged: u32,
    expired: u32,
}

/// A token and what was true when it was handed out.
#[derive(Clone, Debug)]
struct Claim {
    key: usize,
    token: Token,
    until: Timestamp,
    write: bool,
    may_fill: bool,
    parts: u32,
    under: Vec<(Dependency, Version)>,
    tags: [Tag; 2],
}

#[derive(Clone, Debug)]
struct Kept {
    text: String,
    created: Timestamp,
    read: Timestamp,
    expired: Option<Timestamp>,
    tags: [Tag; 2],
}

struct Model {
    store: MemoryStore,
    keys: [Key; 2],
    of: [Dependency; 2],
    now: Timestamp,
    tags: [Tag; 2],
    entries: [Option<Kept>; 2],
    claims: Vec<Claim>,
}

fn done<T: std::fmt::Debug>(answer: Answer<'_, T>) -> T {
    let answer = answer.now_or_never().expect("memory answers at once");
    answer.expect("memory does not fail")
}

impl Model {
    fn new() -> Self {
        let capacity_bytes = 1 << 20;
        Self {
            store: MemoryStore::new(MemoryConfig { capacity_bytes }),
            keys: [subject::key("a"), subject::key("b")],
            of: [Dependency::tag("t", "x"), Dependency::tag("t", "y")],
            now: subject::NOW,
            tags: [Tag::default(); 2],
            entries: [None, None],
            claims: Vec::new(),
        }
    }

    /// What may be served now, and how.
    fn servable(&self, key: usize) -> Option<(String, State)> {
        let kept = self.entries[key].as_ref()?;
        let mut fresh_until = kept.created.plus(TTL_MS);
        fresh_until = kept.expired.map_or(fresh_until, |at| fresh_until.min(at));
        for (then, now) in kept.tags.iter().zip(&self.tags) {
            if then.purged != now.purged {
                return None;
            }
        }
        let idle = self.now.since(kept.read) >= IDLE_MS;
        let text = kept.text.clone();
        match self.now {
            _ if idle => None,
            now if now < fresh_until => Some((text, State::Fresh)),
            now if now < fresh_until.plus(STALE_MS) => Some((text, State::Stale)),
            _ => None,
        }
    }

    /// The claims on a key that have not ended.
    fn live(&mut self, key: usize) -> impl Iterator<Item = &mut Claim> {
        let now = self.now;
        let live =
            move |claim: &&mut Claim| claim.key == key && claim.parts > 0 && now < claim.until;
        self.claims.iter_mut().filter(live)
    }

    fn recent(&self, back: usize) -> Option<usize> {
        self.claims.len().checked_sub(back + 1)
    }

    fn claim(&mut self, key: usize, token: Token, write: bool, may_fill: bool) {
        let versions = done(self.store.versions(&self.of));
        self.claims.push(Claim {
            key,
            token,
            until: self.now.plus(LEASE_MS),
            write,
            may_fill,
            parts: 1,
            under: self.of.iter().cloned().zip(versions).collect(),
            tags: self.tags,
        });
    }

    fn unchanged(&self, since: [Tag; 2]) -> bool {
        let count = |tag: Tag| (tag.purged, tag.expired);
        since.map(count) == self.tags.map(count)
    }

    fn run(&mut self, step: &Step) {
        match *step {
            Step::Advance(ms) => self.now = self.now.plus(ms),
            Step::Get(key) => self.get(key),
            Step::Lease { key, share } => self.lease(key, share),
            Step::BeginWrite(key) => self.begin_write(key),
            Step::Fill(back) => self.fill(back),
            Step::Release(back) => self.release(back),
            Step::Holds(back) => self.holds(back),
            Step::Invalidate(key, mode) => self.invalidate(key, mode),
            Step::Bump(tag, mode) => self.bump(tag, mode),
            Step::Sweep => self.sweep(),
        }
    }

    fn get(&mut self, key: usize) {
        let expected = self.servable(key);
        let found = done(self.store.get(&self.keys[key], Expected::NOTHING, self.now));
        let found = found.map(|found| {
            let value = found.entry.value.as_ref().expect("all have values");
            let text = String::from_utf8_lossy(&value.bytes).into_owned();
            (text, found.windows.state(self.now))
        });
        assert_eq!(found, expected);
        if let (Some(_), Some(kept)) = (found, &mut self.entries[key]) {
            kept.read = self.now;
        }
    }

    fn lease(&mut self, key: usize, share: bool) {
        let seen = self.entries[key].as_ref().map(|kept| kept.created);
        let wish = LeaseRequest {
            key: &self.keys[key],
            ttl_ms: LEASE_MS,
            share,
            seen,
            now: self.now,
        };
        let leased = done(self.store.lease(wish));
        if self.servable(key).is_some() {
            let kept = self.entries[key].as_mut().expect("is servable");
            kept.read = self.now;
        }
        let until = self.now.plus(LEASE_MS);
        let holder = self.live(key).next().map(|claim| {
            if share && !claim.write {
                claim.parts += 1;
                claim.until = claim.until.max(until);
            }
            claim.clone()
        });
        match (holder, leased) {
            (None, Leased::Granted(token)) => self.claim(key, token, false, true),
            (Some(claim), Leased::Granted(token)) => {
                assert!(share && !claim.write && claim.token == token);
            }
            (Some(claim), Leased::Held { by }) => {
                assert!(claim.write || (!share && claim.token == by));
                let holds = done(self.store.holds(&self.keys[key], by, &[], self.now));
                assert!(holds);
            }
            (claim, leased) => unreachable!("{leased:?} in spite of {claim:?}"),
        }
    }

    fn begin_write(&mut self, key: usize) {
        let token = done(self.store.begin_write(&self.keys[key], LEASE_MS, self.now));
        self.entries[key] = None;
        let alone = self.void(key);
        self.claim(key, token, true, alone);
    }

    /// Voids the leases on a key and the fills of its writes; answers whether there are none.
    fn void(&mut self, key: usize) -> bool {
        let mut alone = true;
        for claim in self.live(key) {
            claim.may_fill = false;
            claim.parts *= u32::from(claim.write);
            alone &= !claim.write;
        }
        alone
    }

    fn fill(&mut self, back: usize) {
        let Some(at) = self.recent(back) else { return };
        let claim = self.claims[at].clone();
        let text = format!("{} at {}", self.claims.len(), self.now.0);
        let key = &self.keys[claim.key];
        let mut entry = subject::entry(key, &text, claim.under, self.now);
        entry.time_to_idle_ms = IDLE_MS;
        entry.windows.fresh_until = self.now.plus(TTL_MS);
        entry.windows.revalidate_until = self.now.plus(TTL_MS + STALE_MS);
        entry.windows.error_until = entry.windows.fresh_until;
        let filled = done(self.store.fill(key, claim.token, entry, self.now));

        let live = claim.parts > 0 && self.now < claim.until;
        let stored = live && claim.may_fill && self.unchanged(claim.tags);
        let expected = if stored {
            Filled::Stored
        } else {
            Filled::Voided
        };
        assert_eq!(filled, expected, "{:?}", self.claims[at]);
        self.claims[at].parts = 0;
        if stored {
            self.entries[claim.key] = Some(Kept {
                text,
                created: self.now,
                read: self.now,
                expired: None,
                tags: self.tags,
            });
        }
    }

    fn release(&mut self, back: usize) {
        let Some(at) = self.recent(back) else { return };
        let claim = &mut self.claims[at];
        done(self.store.release(&self.keys[claim.key], claim.token));
        claim.parts = claim.parts.saturating_sub(1);
    }

    fn holds(&mut self, back: usize) {
        let Some(at) = self.recent(back) else { return };
        let claim = &self.claims[at];
        let key = &self.keys[claim.key];
        let holds = done(self.store.holds(key, claim.token, &claim.under, self.now));
        let live = claim.parts > 0 && self.now < claim.until;
        let expected = live && claim.may_fill && self.unchanged(claim.tags);
        assert_eq!(holds, expected, "{claim:?}");
    }

    fn invalidate(&mut self, key: usize, mode: Mode) {
        let existed = done(self.store.invalidate(&self.keys[key], mode, self.now));
        assert_eq!(existed, self.servable(key).is_some());
        self.void(key);
        match (mode, &mut self.entries[key]) {
            (Mode::Expire, Some(kept)) => {
                kept.expired.get_or_insert(self.now);
            }
            (_, entry) => *entry = None,
        }
    }

    fn sweep(&mut self) {
        self.store.sweep(self.now);
        for key in 0..self.entries.len() {
            if self.servable(key).is_none() {
                self.entries[key] = None;
            }
        }
    }

    fn bump(&mut self, tag: usize, mode: Mode) {
        // Beyond these some may end early.
        if mode == Mode::Expire && self.tags[tag].expired as usize >= Expiries::MOST {
            return;
        }
        done(self.store.bump(&self.of[tag..=tag], mode, self.now));
        match mode {
            Mode::Purge => self.tags[tag].purged += 1,
            Mode::Expire => {
                self.tags[tag].expired += 1;
                for kept in self.entries.iter_mut().flatten() {
                    kept.expired.get_or_insert(self.now);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_store_does_as_the_model(steps in proptest::collection::vec(step(), 1..60)) {
        let mut model = Model::new();
        for step in &steps {
            model.run(step);
        }
    }
}
