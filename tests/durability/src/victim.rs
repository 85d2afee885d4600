//! What is killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use larder_origin::testing::Postgres;
use larder_store::testing::Server;
use tokio::sync::RwLock;
use tokio::time::{Instant, sleep};

use crate::engine::Engine;
use crate::load::Field;

/// A process, or many that belong together, that `kill -9` ends and that starts again from what it
/// has on disk.
pub enum Victim {
    /// `larder serve`.
    Engine(Engine),
    /// `redis-server`.
    Redis(Server),
    /// PostgreSQL with all its processes.
    Postgres(Postgres),
}

/// What was done to one kind of victim.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Killed {
    /// How often it was killed.
    pub times: u32,
    /// The longest time from a kill until it answered again.
    pub down: Duration,
}

/// How long the killing goes on for the sake of [`Schedule::acknowledged`].
const LONGEST: Duration = Duration::from_secs(120);

/// How the killing goes.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How many kills there are, at least.
    pub kills: u32,
    /// How many writes are to be acknowledged before the last kill, so that a slow machine has as
    /// much to lose; for this the killing goes on for two minutes at most.
    pub acknowledged: usize,
    /// How long a victim lives between two of its kills, at least and at most.
    pub lives: (Duration, Duration),
    /// How long it stays down, at most.
    pub down: Duration,
}

impl Victim {
    /// The name in reports.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Engine(_) => "engine",
            Self::Redis(_) => "redis",
            Self::Postgres(_) => "postgres",
        }
    }

    async fn kill(&mut self) -> Result<()> {
        match self {
            Self::Engine(engine) => engine.kill().await?,
            Self::Redis(server) => server.kill(),
            Self::Postgres(postgres) => postgres.kill(),
        }
        Ok(())
    }

    async fn start(&mut self) -> Result<()> {
        match self {
            Self::Engine(engine) => engine.start().await?,
            Self::Redis(server) => server.restart().await,
            Self::Postgres(postgres) => postgres.restart().await,
        }
        Ok(())
    }
}

/// What those who kill have in common.
struct Killing {
    schedule: Schedule,
    left: AtomicI64,
    begun: Instant,
    field: Arc<Field>,
    failed: AtomicBool,
    ground: RwLock<()>,
}

impl Killing {
    /// Whether nobody is to be killed any more; if not, this is one kill less.
    fn is_over(&self) -> bool {
        let enough = || {
            self.field.acknowledged() >= self.schedule.acknowledged
                || self.begun.elapsed() > LONGEST
        };
        self.failed.load(Ordering::Relaxed)
            || (self.left.fetch_sub(1, Ordering::Relaxed) <= 0 && enough())
    }
}

/// Kills each of them at random moments, independently of the others, so that now and then an
/// engine is down together with what it stands on; answers them, all of them up, and how often
/// each kind was killed.
///
/// # Errors
/// Where one does not start again.
pub async fn kill_all(
    victims: Vec<Victim>,
    schedule: Schedule,
    field: Arc<Field>,
    mut random: Rng,
) -> Result<(Vec<Victim>, BTreeMap<&'static str, Killed>)> {
    let killing = Arc::new(Killing {
        schedule,
        left: AtomicI64::new(schedule.kills.into()),
        begun: Instant::now(),
        field,
        failed: AtomicBool::new(false),
        ground: RwLock::new(()),
    });
    let killing: Vec<_> = victims
        .into_iter()
        .map(|victim| {
            let (killing, random) = (Arc::clone(&killing), random.fork());
            tokio::spawn(async move {
                let done = kill_one(victim, random, &killing).await;
                // The others need not be killed any more.
                killing.failed.fetch_or(done.is_err(), Ordering::Relaxed);
                done
            })
        })
        .collect();
    let (mut victims, mut kills) = (Vec::new(), BTreeMap::<_, Killed>::new());
    for one in killing {
        let (victim, killed) = one.await??;
        let all = kills.entry(victim.as_str()).or_default();
        all.times += killed.times;
        all.down = all.down.max(killed.down);
        victims.push(victim);
    }
    Ok((victims, kills))
}

async fn kill_one(
    mut victim: Victim,
    mut random: Rng,
    killing: &Killing,
) -> Result<(Victim, Killed)> {
    let (schedule, ground) = (killing.schedule, &killing.ground);
    let mut killed = Killed::default();
    let between = |random: &mut Rng, least: Duration, most: Duration| {
        let most = most.as_millis() as u64;
        Duration::from_millis(random.u64(least.as_millis() as u64..=most))
    };
    loop {
        let (least, most) = schedule.lives;
        sleep(between(&mut random, least, most)).await;
        if killing.is_over() {
            return Ok((victim, killed));
        }
        // An engine starts only where it can reach what it stands on: without this, one that is
        // slow to start would not find all of it up for as long as the killing goes on.
        let is_engine = matches!(victim, Victim::Engine(_));
        let gone = match is_engine {
            true => None,
            false => Some(ground.write().await),
        };
        let at = Instant::now();
        victim.kill().await?;
        killed.times += 1;
        sleep(between(&mut random, Duration::ZERO, schedule.down)).await;
        let there = match is_engine {
            true => Some(ground.read().await),
            false => None,
        };
        victim.start().await?;
        drop((gone, there));
        killed.down = killed.down.max(at.elapsed());
    }
}
