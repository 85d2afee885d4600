//! What invalidating a tag costs, by how many entries carry it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use larder::SystemClock;
use larder::Value;
use larder::core::dependency::Mode;
use larder::core::freshness::Windows;
use larder::core::{Clock as _, Dependency, Entry, Freshness, Identity, Key, Placement, Version};
use larder::store::{Expected, Filled, LeaseRequest, Leased, Store};

const TENANT: &str = "t";
const NAMESPACE: &str = "item";
/// Fills under way at once.
const AT_ONCE: usize = 256;
/// How many entries are looked at, before and after.
const SAMPLE: usize = 1_000;
/// How often each tag is invalidated, in turns.
const ROUNDS: usize = 500;

/// Invalidations of one tag.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Entries that carried it.
    pub entries: usize,
    /// What the first took, which made all of them stale.
    pub first: Duration,
    /// What half of all took no longer than.
    pub median: Duration,
}

/// A tag that few entries carry and one that many do, in one store.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// The tag on few entries.
    pub few: Cost,
    /// The tag on many.
    pub many: Cost,
    /// How long the fills took.
    pub filling: Duration,
}

impl Figure {
    /// How many times as long the tag on many entries takes.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.many.median.as_secs_f64() / self.few.median.as_secs_f64()
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        for cost in [self.few, self.many] {
            writeln!(
                f,
                "  a tag on {:>9} entries: median {:.1} us, the first {:.1} us",
                cost.entries,
                us(cost.median),
                us(cost.first)
            )?;
        }
        let (ratio, filling) = (self.ratio(), self.filling.as_secs_f64());
        writeln!(f, "  ratio {ratio:.2}; filled in {filling:.1} s")
    }
}

/// Fills `store` with entries of two tags, makes sure that they are served, and invalidates the
/// tags in turns.
///
/// # Errors
/// If the store fails, does not serve an entry before its tag was invalidated, or serves one after.
pub async fn measure(store: &dyn Store, few: usize, many: usize) -> Result<Figure> {
    let begun = Instant::now();
    for (tag, count) in [("few", few), ("many", many)] {
        fill(store, tag, count).await?;
    }
    let filling = begun.elapsed();
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for ((tag, count), times) in [("few", few), ("many", many)].into_iter().zip(&mut times) {
            if round == 0 {
                all_served(store, tag, count, true).await?;
            }
            let of = [Dependency::tag(TENANT, tag)];
            let begun = Instant::now();
            store.bump(&of, Mode::Purge, SystemClock.now()).await?;
            times.push(begun.elapsed());
            if round == 0 {
                all_served(store, tag, count, false).await?;
            }
        }
    }
    let [few_times, many_times] = times;
    Ok(Figure {
        few: cost(few, few_times),
        many: cost(many, many_times),
        filling,
    })
}

fn cost(entries: usize, mut times: Vec<Duration>) -> Cost {
    let first = times.first().copied().unwrap_or_default();
    times.sort_unstable();
    Cost {
        entries,
        first,
        median: times.get(times.len() / 2).copied().unwrap_or_default(),
    }
}

fn key(tag: &str, n: usize) -> Key {
    Key::new(TENANT, NAMESPACE, &format!("{tag}:{n}"))
}

/// As a load does it: the versions, a lease for each key, and the fill that ends it.
async fn fill(store: &dyn Store, tag: &str, count: usize) -> Result<()> {
    let of = Dependency::of_entry(TENANT, NAMESPACE, &[tag.to_owned()]);
    let versions = store.versions(&of).await?;
    let under: Vec<_> = of.into_iter().zip(versions).collect();
    let policy = Arc::new(Identity {
        name: "tags".into(),
        version: "1.0.0".into(),
        revision: "native".into(),
        contract: "0.1.0".into(),
        settings: String::new(),
    });
    let each = (0..count).map(|n| fill_one(store, key(tag, n), &under, &policy));
    let all = stream::iter(each.map(Ok::<_, anyhow::Error>));
    all.try_for_each_concurrent(AT_ONCE, |one| one).await
}

async fn fill_one(
    store: &dyn Store,
    key: Key,
    under: &[(Dependency, Version)],
    policy: &Arc<Identity>,
) -> Result<()> {
    let now = SystemClock.now();
    let wish = LeaseRequest {
        key: &key,
        ttl_ms: 10_000,
        share: false,
        seen: None,
        now,
    };
    let Leased::Granted(token) = store.lease(wish).await? else {
        bail!("{} is held by somebody else", key.logical());
    };
    let freshness = Freshness {
        ttl_ms: 3_600_000,
        ..Freshness::default()
    };
    let entry = Entry {
        logical: Arc::clone(key.logical()),
        value: Some(Value::new("a value")),
        absent: None,
        windows: Windows::of_value(&freshness, now, 0.0),
        time_to_idle_ms: 0,
        load_ms: 1,
        dependencies: under.to_vec(),
        placement: Placement::EveryTier,
        sealed: None,
        policy: Arc::clone(policy),
    };
    let filled = store.fill(&key, token, entry, now).await?;
    ensure!(filled == Filled::Stored, "{filled:?}: {}", key.logical());
    Ok(())
}

/// Makes sure that entries spread over all are served, or that none of them is.
async fn all_served(store: &dyn Store, tag: &str, count: usize, served: bool) -> Result<()> {
    let step = (count / SAMPLE).max(1);
    let sample = stream::iter((0..count).step_by(step).chain([count - 1]));
    let wrong = sample.map(|n| async move {
        let key = key(tag, n);
        let found = store
            .get(&key, Expected::NOTHING, SystemClock.now())
            .await?;
        ensure!(
            found.is_some() == served,
            "{} is {}served",
            key.logical(),
            if served { "not " } else { "still " }
        );
        Ok(())
    });
    wrong.buffer_unordered(AT_ONCE).try_collect().await
}
