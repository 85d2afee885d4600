//! Masters that are killed under load, one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use futures_util::future::BoxFuture;
use larder::core::dependency::Mode;
use larder::store::{Health, Store};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::faults::{Course, Done, Faults, Recovery};
use crate::patience::Patience;
use crate::servers::Servers;
use crate::subject::{Subject, Way};

/// Keys enough for every master of a Cluster to have some.
const PROBES: usize = 16;

/// Kills a master, waits until all is as before, and kills the next.
pub struct Failovers {
    /// Of which a master is killed.
    pub servers: Arc<Mutex<Servers>>,
    /// By engine.
    pub stores: Vec<Arc<dyn Store>>,
    /// What has to recover by itself.
    pub subject: Arc<dyn Subject>,
    /// Ends the run after so many.
    pub times: u64,
}

impl Failovers {
    async fn replace_all(self, mut random: Rng, course: Arc<Course>) -> Done {
        let mut done = Done::default();
        while !course.is_over() && done.faults < self.times {
            sleep(Duration::from_millis(random.u64(500..2_000))).await;
            done.unasked += u64::from(self.servers.lock().await.have_changed_roles().await);
            done.faults += 1;
            done.recoveries.push(self.once(&mut random, &course).await);
            self.servers.lock().await.restore().await;
        }
        done.unasked += u64::from(self.servers.lock().await.have_changed_roles().await);
        done
    }

    async fn once(&self, random: &mut Rng, course: &Course) -> Recovery {
        let mut servers = self.servers.lock().await;
        course.replace();
        servers.kill(random).await;
        let killed = Instant::now();
        servers.are_replaced().await;
        let replaced = killed.elapsed();
        let patience = Patience::until("every engine has recovered");
        while !self.works().await {
            patience.wait().await;
        }
        course.recover();
        Recovery {
            replaced,
            recovered: killed.elapsed(),
        }
    }

    /// Whether every store is up, and every engine can invalidate on every master.
    async fn works(&self) -> bool {
        if self.stores.iter().any(|store| store.health() != Health::Up) {
            return false;
        }
        for on in 0..self.stores.len() {
            for key in 0..PROBES {
                let told = self.subject.invalidate(on, key, Way::Key, Mode::Purge);
                if told.await.is_err() {
                    return false;
                }
            }
        }
        true
    }
}

impl Faults for Failovers {
    fn run(self: Box<Self>, random: Rng, course: Arc<Course>) -> BoxFuture<'static, Done> {
        Box::pin(self.replace_all(random, course))
    }
}
