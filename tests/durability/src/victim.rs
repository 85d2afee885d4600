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

/// How the killing goes.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How many kills there are in all.
    pub kills: u32,
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

/// Kills each of them at random moments, independently of the others, so that now and then an
/// engine is down together with what it stands on; answers them, all of them up, and how often each kind was killed.
///
/// # Errors
/// Where one does not start again.
pub async fn kill_all(
    victims: Vec<Victim>,
    schedule: Schedule,
    mut random: Rng,
) -> Result<(Vec<Victim>, BTreeMap<&'static str, Killed>)> {
    let left = Arc::new(AtomicI64::new(schedule.kills.into()));
    let failed = Arc::new(AtomicBool::new(false));
    let ground = Arc::new(RwLock::new(()));
    let killing: Vec<_> = victims
        .into_iter()
        .map(|victim| {
            let (left, failed, random) = (Arc::clone(&left), Arc::clone(&failed), random.fork());
            let ground = Arc::clone(&ground);
            tokio::spawn(async move {
                let done = kill_one(victim, schedule, random, &left, &failed, &ground).await;
                // The others need not be killed any more.
                failed.fetch_or(done.is_err(), Ordering::Relaxed);
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
    schedule: Schedule,
    mut random: Rng,
    left: &AtomicI64,
    failed: &AtomicBool,
    ground: &RwLock<()>,
) -> Result<(Victim, Killed)> {
    let mut killed = Killed::default();
    let between = |random: &mut Rng, least: Duration, most: Duration| {
        let most = most.as_millis() as u64;
        Duration::from_millis(random.u64(least.as_millis() as u64..=most))
    };
    loop {
        let (least, most) = schedule.lives;
        sleep(between(&mut random, least, most)).await;
        if failed.load(Ordering::Relaxed) || left.fetch_sub(1, Ordering::Relaxed) <= 0 {
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
