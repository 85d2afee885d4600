//! What stores get to see of protected values, and what is made of entries that do not open.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use larder::core::dependency::Mode;
use larder::core::{Clock, Entry, Guard, Key, NotStored, Outcome, Strategy, Timestamp};
use larder::origin::OriginError;
use larder::store::queue::Queue as _;
use larder::store::{Expected, Filled, Found, LeaseRequest, Leased, Store as _};
use larder::{KeyRing, QueueTuning, Request, Value, Vault};

use crate::kit::{Parts, Rig, STORED, Shelter, policy, some, text};

const SECRET: &str = "the plain text of a secret";

fn key_of(id: &str) -> [u8; 32] {
    let mut key = [1; 32];
    key[..id.len()].copy_from_slice(id.as_bytes());
    key
}

fn ring(active: &str, ids: &[&str]) -> KeyRing {
    KeyRing::new(active, ids.iter().map(|id| (*id, key_of(id)))).expect("is a ring")
}

fn vault() -> Arc<Vault> {
    ring("a", &["a"]).into()
}

fn rig_with(strategy: Strategy, vault: Option<Arc<Vault>>) -> Rig {
    let mut parts = Parts::new(policy(strategy, |_, decision| {
        decision.encrypt = true;
        decision.freshness.negative_ttl_ms = 5_000;
    }));
    parts.vault = vault;
    parts.build()
}

fn key(tenant: &str, id: &str) -> Key {
    Key::new(tenant, "product", &format!("product:{id}"))
}

impl Rig {
    async fn stored(&self, key: &Key) -> Option<Found> {
        let got = self.store.get(key, Expected::NOTHING, self.clock.now());
        got.await.expect("answers")
    }

    /// Puts `entry` under `key`, whatever it says of itself.
    async fn plant(&self, key: &Key, mut entry: Entry) {
        entry.logical = Arc::clone(key.logical());
        let now = self.clock.now();
        let purged = self.store.invalidate(key, Mode::Purge, now);
        purged.await.expect("is purged");
        self.fill(key, entry, None).await;
    }

    /// Puts `entry` in the place of the one that is there, without a moment in which none is.
    async fn replant(&self, key: &Key, entry: Entry) {
        let there = self.stored(key).await.expect("is there");
        self.fill(key, entry, Some(there.entry.windows.created))
            .await;
    }

    async fn fill(&self, key: &Key, entry: Entry, seen: Option<Timestamp>) {
        let now = self.clock.now();
        let wish = LeaseRequest {
            key,
            ttl_ms: 1_000,
            share: false,
            seen,
            now,
        };
        let token = match self.store.lease(wish).await.expect("answers") {
            Leased::Granted(token) => Some(token),
            Leased::Held { .. } | Leased::Stored(_) => None,
        };
        let token = token.expect("nobody else is there");
        let filled = self.store.fill(key, token, entry, now).await;
        assert_eq!(filled, Ok(Filled::Stored));
    }
}

#[tokio::test(start_paused = true)]
async fn stores_never_see_the_plain_text() {
    for strategy in [
        Strategy::ReadThrough,
        Strategy::WriteThrough,
        Strategy::CacheAside,
    ] {
        let rig = rig_with(strategy, Some(vault()));
        match strategy {
            Strategy::ReadThrough => {
                rig.shop.set("42", SECRET);
                assert_eq!(rig.read("42").await.not_stored, STORED);
            }
            Strategy::WriteThrough => assert_eq!(rig.write("42", SECRET).await.not_stored, STORED),
            _ => {
                let lease = rig.read("42").await.lease.expect("a miss has a lease");
                let value = Some(Value::json(SECRET));
                let filling = rig.engine.fill(lease, value, &[]).await.expect("is filled");
                assert_eq!(filling.not_stored, STORED);
            }
        }
        let found = rig.stored(&key("", "42")).await.expect("is stored");
        assert_eq!(found.entry.sealed.as_deref(), Some("a"));
        let kept = found.entry.value.as_ref().expect("has bytes");
        for part in SECRET.as_bytes().windows(5) {
            let shows = kept.bytes.windows(5).any(|bytes| bytes == part);
            assert!(!shows, "{strategy:?}");
        }
        assert_eq!(rig.look("42").await, (Outcome::Hit, some(SECRET)));
        let kind = rig.read("42").await.value.expect("is there").content_type;
        assert_eq!(kind.is_some(), strategy == Strategy::CacheAside);
    }
}

#[tokio::test(start_paused = true)]
async fn two_seals_of_one_value_differ() {
    let rig = rig_with(Strategy::WriteThrough, Some(vault()));
    let mut seen = Vec::new();
    for _ in 0..2 {
        rig.write("42", SECRET).await;
        let found = rig.stored(&key("", "42")).await.expect("is stored");
        seen.push(found.entry.value.clone().expect("has bytes").bytes);
    }
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test(start_paused = true)]
async fn that_there_is_nothing_is_sealed_like_a_value() {
    let rig = rig_with(Strategy::ReadThrough, Some(vault()));
    assert_eq!(rig.look("42").await, (Outcome::Miss, None));
    let found = rig.stored(&key("", "42")).await.expect("is stored");
    assert_eq!(found.entry.sealed.as_deref(), Some("a"));
    assert_eq!(rig.look("42").await, (Outcome::NegativeHit, None));

    let mut forged = (*found.entry).clone();
    forged.value = None;
    rig.shop.set("42", SECRET);
    for sealed in [forged.sealed.clone(), None] {
        forged.sealed = sealed;
        rig.plant(&key("", "42"), forged.clone()).await;
        assert_eq!(rig.look("42").await, (Outcome::Miss, some(SECRET)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_value_is_a_miss_and_is_overwritten() {
    let rig = rig_with(Strategy::ReadThrough, Some(vault()));
    rig.shop.set("42", SECRET);
    rig.read("42").await;
    let key = key("", "42");
    let good = rig.stored(&key).await.expect("is stored").entry;
    let bytes = good.value.as_ref().expect("has bytes").bytes.to_vec();
    // The format, the nonce, the ciphertext, the tag.
    for at in [
        0,
        1,
        24,
        25,
        bytes.len() - 17,
        bytes.len() - 16,
        bytes.len() - 1,
    ] {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1;
        let entry = Entry {
            value: Some(Value::new(damaged)),
            ..(*good).clone()
        };
        rig.plant(&key, entry).await;
        let reading = rig.read("42").await;
        assert_eq!(
            (reading.outcome, reading.not_stored),
            (Outcome::Miss, STORED),
            "byte {at}"
        );
        assert_eq!(text(&reading.value), some(SECRET));
        assert_eq!(
            rig.look("42").await,
            (Outcome::Hit, some(SECRET)),
            "byte {at}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_does_not_open_under_another_key_or_tenant() {
    let rig = rig_with(Strategy::ReadThrough, Some(vault()));
    rig.shop.set("42", "the other one's");
    rig.read("42").await;
    let found = rig.stored(&key("", "42")).await.expect("is stored");
    for (tenant, id) in [("", "7"), ("acme", "42")] {
        rig.plant(&key(tenant, id), (*found.entry).clone()).await;
        let request = Request::read("product", id).tenant(tenant);
        let reading = rig.engine.read(request).await.expect("is read");
        assert_eq!(
            (reading.outcome, reading.value),
            (Outcome::Miss, None),
            "{tenant}/{id}"
        );
    }
    assert_eq!(rig.look("42").await.0, Outcome::Hit, "where it belongs");
}

#[tokio::test(start_paused = true)]
async fn a_value_does_not_live_longer_than_it_was_sealed_for() {
    let rig = rig_with(Strategy::ReadThrough, Some(vault()));
    rig.shop.set("42", SECRET);
    rig.read("42").await;
    let found = rig.stored(&key("", "42")).await.expect("is stored");
    let mut longer = (*found.entry).clone();
    longer.windows.fresh_until = longer.windows.fresh_until.plus(1);
    rig.plant(&key("", "42"), longer).await;
    assert_eq!(rig.look("42").await.0, Outcome::Miss);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_key_is_a_miss_in_every_pattern() {
    for strategy in [Strategy::ReadThrough, Strategy::CacheAside] {
        let vault = vault();
        let rig = rig_with(strategy, Some(Arc::clone(&vault)));
        rig.shop.set("42", SECRET);
        let mut reading = rig.read("42").await;
        if let Some(lease) = reading.lease.take() {
            let value = Some(Value::new(SECRET));
            rig.engine.fill(lease, value, &[]).await.expect("is filled");
        }
        assert_eq!(rig.look("42").await.0, Outcome::Hit);

        vault.replace(ring("z", &["z"]));
        rig.clock.advance(1);
        let mut reading = rig.read("42").await;
        match reading.lease.take() {
            Some(lease) => {
                assert_eq!(
                    (strategy, reading.outcome),
                    (Strategy::CacheAside, Outcome::Leased)
                );
                let value = Some(Value::new(SECRET));
                let filling = rig.engine.fill(lease, value, &[]).await.expect("is filled");
                assert_eq!(filling.not_stored, STORED);
            }
            None => assert_eq!(
                (reading.outcome, reading.not_stored),
                (Outcome::Miss, STORED)
            ),
        }
        let found = rig.stored(&key("", "42")).await.expect("is stored");
        assert_eq!(found.entry.sealed.as_deref(), Some("z"));
        assert_eq!(rig.look("42").await, (Outcome::Hit, some(SECRET)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stale_value_that_does_not_open_is_not_served_though_the_origin_is_down() {
    let vault = vault();
    let mut parts = Parts::new(policy(Strategy::ReadThrough, |_, decision| {
        decision.encrypt = true;
        decision.freshness.stale_while_revalidate_ms = 60_000;
        decision.freshness.stale_if_error_ms = 60_000;
    }));
    parts.vault = Some(Arc::clone(&vault));
    let rig = parts.build();
    rig.shop.set("42", SECRET);
    rig.read("42").await;
    rig.clock.advance(crate::kit::TTL + 1);
    vault.replace(ring("z", &["z"]));
    let down = larder::origin::OriginError::Unreachable("told to".into());
    rig.shop.fail_loads(Some(down));
    assert_eq!(
        rig.try_read("42")
            .await
            .expect_err("nothing to serve")
            .code(),
        "origin_unreachable"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_stored_in_the_clear_is_a_miss_once_encryption_is_asked_for() {
    let asks = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&asks);
    let mut parts = Parts::new(policy(Strategy::ReadThrough, move |_, decision| {
        decision.encrypt = asked.load(Ordering::SeqCst);
    }));
    parts.vault = Some(vault());
    let rig = parts.build();
    rig.shop.set("42", SECRET);
    rig.read("42").await;
    let clear = rig.stored(&key("", "42")).await.expect("is stored");
    assert_eq!(clear.entry.sealed, None);

    asks.store(true, Ordering::SeqCst);
    assert_eq!(rig.look("42").await, (Outcome::Miss, some(SECRET)));
    let sealed = rig.stored(&key("", "42")).await.expect("is stored");
    assert_eq!(sealed.entry.sealed.as_deref(), Some("a"));

    asks.store(false, Ordering::SeqCst);
    assert_eq!(
        rig.look("42").await,
        (Outcome::Hit, some(SECRET)),
        "and it still opens"
    );
}

#[tokio::test(start_paused = true)]
async fn the_guard_encrypts_what_the_policy_forgot() {
    let mut parts = Parts::new(policy(Strategy::ReadThrough, |_, _| ()));
    parts.vault = Some(vault());
    parts.guard = Guard {
        protected: vec![wildmatch::WildMatch::new("prod*")],
        ..Guard::default()
    };
    let rig = parts.build();
    rig.shop.set("42", SECRET);
    assert_eq!(rig.read("42").await.not_stored, STORED);
    let found = rig.stored(&key("", "42")).await.expect("is stored");
    assert_eq!(found.entry.sealed.as_deref(), Some("a"));
}

#[tokio::test(start_paused = true)]
async fn a_sealed_entry_is_a_miss_to_an_engine_without_keys_and_stays() {
    let rig = rig_with(Strategy::ReadThrough, Some(vault()));
    rig.shop.set("42", SECRET);
    rig.read("42").await;
    let found = rig.stored(&key("", "42")).await.expect("is stored");
    let bare = rig_with(Strategy::ReadThrough, None);
    bare.shop.set("42", SECRET);
    let mut entry = (*found.entry).clone();
    // The versions are those of another store.
    entry.dependencies.clear();
    bare.plant(&key("", "42"), entry).await;
    let reading = bare.read("42").await;
    assert_eq!(
        (reading.outcome, reading.not_stored),
        (Outcome::Miss, Some(NotStored::NoKeyRing))
    );
    assert!(
        bare.stored(&key("", "42")).await.is_some(),
        "others may have the key"
    );
}

/// Nothing is missed, and nothing fails, while the ring is exchanged as a rotation does it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_under_load_is_not_noticed() {
    const IDS: u64 = 8;
    let vault = vault();
    let rig = Arc::new(rig_with(Strategy::ReadThrough, Some(Arc::clone(&vault))));
    for id in 0..IDS {
        rig.shop.set(&id.to_string(), &format!("{SECRET} {id}"));
        rig.read(&id.to_string()).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let counts: Arc<[AtomicU64; 4]> = Arc::default();
    let readers = (0..4u64).map(|reader| {
        let (rig, done, counts) = (Arc::clone(&rig), Arc::clone(&done), Arc::clone(&counts));
        tokio::spawn(async move {
            let mut reads = 0u64;
            while !done.load(Ordering::SeqCst) {
                let id = (reads + reader) % IDS;
                let expected = some(&format!("{SECRET} {id}"));
                assert_eq!(rig.look(&id.to_string()).await, (Outcome::Hit, expected));
                reads += 1;
                counts[usize::try_from(reader).expect("is small")].store(reads, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
            reads
        })
    });
    let readers: Vec<_> = readers.collect();
    for (old, new) in [("a", "b"), ("b", "c"), ("c", "d")] {
        vault.replace(ring(old, &[old, new]));
        vault.replace(ring(new, &[old, new]));
        // The entries of the old key are replaced while both are there.
        for id in 0..IDS {
            rig.clock.advance(1);
            let id = id.to_string();
            let value = format!("{SECRET} {id}");
            let request = Request::read("product", id.as_str());
            let mut fresh = rig
                .stored(&key("", &id))
                .await
                .expect("is there")
                .entry
                .as_ref()
                .clone();
            assert_eq!(fresh.sealed.as_deref(), Some(old));
            // What a refresh by another node would store.
            let other = rig_with(Strategy::ReadThrough, Some(ring(new, &[new]).into()));
            other.shop.set(&id, &value);
            other.engine.read(request).await.expect("is read");
            let sealed = other.stored(&key("", &id)).await.expect("is stored");
            fresh.value.clone_from(&sealed.entry.value);
            fresh.sealed.clone_from(&sealed.entry.sealed);
            fresh.windows = sealed.entry.windows;
            rig.replant(&key("", &id), fresh).await;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
        // Who has looked up an entry of the old key has to open it before that is taken away.
        for count in counts.iter() {
            let under_way = count.load(Ordering::SeqCst) + 1;
            while count.load(Ordering::SeqCst) <= under_way {
                tokio::task::yield_now().await;
            }
        }
        vault.replace(ring(new, &[new]));
    }
    done.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.expect("meets no error") > 0);
    }
    assert_eq!(rig.shop.loads() as u64, IDS, "nothing was loaded again");
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_sealed_and_still_read_and_flushed() {
    let queue = Arc::new(Shelter::default());
    let vault = vault();
    let mut parts = Parts::new(policy(Strategy::WriteBehind, |_, decision| {
        decision.encrypt = true;
    }));
    parts.vault = Some(Arc::clone(&vault));
    parts.queue = Some((queue.clone(), QueueTuning::default()));
    let rig = parts.build();
    let down = OriginError::Unreachable("told to be".into());
    rig.shop.fail_writes(Some(down));
    rig.write("42", SECRET).await;
    let queued = Arc::clone(&queue.waiting()[0]);
    assert_eq!(queued.change.sealed.as_deref(), Some("a"));
    let kept = queued.change.value.as_ref().expect("has bytes");
    for part in SECRET.as_bytes().windows(5) {
        assert!(!kept.bytes.windows(5).any(|bytes| bytes == part));
    }
    rig.clock.advance(crate::kit::TTL);
    assert_eq!(rig.look("42").await, (Outcome::Miss, some(SECRET)));

    // Without its key nothing is served in its place, and nothing is dropped.
    rig.clock.advance(crate::kit::TTL);
    vault.replace(ring("b", &["b"]));
    rig.shop.fail_writes(None);
    let error = rig.try_read("42").await.expect_err("cannot be read");
    assert_eq!(error.code(), "unflushable");
    rig.write("7", SECRET).await;
    rig.pass(60_000).await;
    assert_eq!(rig.shop.holds("7"), some(SECRET), "others flow");
    assert_eq!(queue.waiting().len(), 1, "it stays");
    vault.replace(ring("b", &["a", "b"]));
    for _ in 0..100 {
        rig.pass(1_000).await;
    }
    assert_eq!(rig.shop.holds("42"), some(SECRET));
    assert!(queue.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_moved_in_the_queue_does_not_open_and_becomes_a_dead_letter() {
    let queue = Arc::new(Shelter::default());
    let mut parts = Parts::new(policy(Strategy::WriteBehind, |_, decision| {
        decision.encrypt = true;
    }));
    parts.vault = Some(vault());
    parts.queue = Some((queue.clone(), QueueTuning::default()));
    let rig = parts.build();
    let down = OriginError::Unreachable("told to be".into());
    rig.shop.fail_writes(Some(down));
    rig.write("42", SECRET).await;
    let mut moved = queue.waiting()[0].change.clone();
    moved.operation = "another".into();
    let now = rig.clock.now();
    queue.enqueue(moved, now).await.expect("is taken");
    rig.shop.fail_writes(None);
    for _ in 0..100 {
        rig.pass(1_000).await;
    }
    assert_eq!(rig.shop.holds("42"), some(SECRET), "the one before it");
    let view = rig.engine.queue().expect("has a queue");
    let letters = view.letters(None, 10).await.expect("are listed");
    assert_eq!(letters.len(), 1);
    assert!(
        letters[0].why.contains("does not open"),
        "{}",
        letters[0].why
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_key_ring_a_write_to_be_sealed_is_refused() {
    let queue = Arc::new(Shelter::default());
    let mut parts = Parts::new(policy(Strategy::WriteBehind, |_, decision| {
        decision.encrypt = true;
    }));
    parts.queue = Some((queue.clone(), QueueTuning::default()));
    let rig = parts.build();
    let error = rig.try_write("42", SECRET).await.expect_err("is refused");
    assert_eq!(error.code(), "no_key_ring");
    assert!(queue.waiting().is_empty());
}
