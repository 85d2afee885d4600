//! Clients that write without end, and remember all of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::ask::{Answered, Ask};
use crate::ledger::{Fate, Ledger, Look, Write};

/// How much load, of which kind.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Clients at once.
    pub clients: usize,
    /// Keys that are written again and again.
    pub keys: usize,
    /// How many writers a key may have at once: with one, clients know the order of their writes;
    /// with more the queue's numbers say it.
    pub writers: usize,
    /// Of a hundred writes, how many go to a key that is written once and never again, so that no
    /// later write can hide that it was lost.
    pub once_percent: u8,
    /// The longest pause of a client between two writes.
    pub pause: Duration,
    /// How many bytes a row is made larger by, so that the disk has something to do.
    pub filler: usize,
}

/// What all clients share.
pub struct Field {
    load: Load,
    engines: Vec<Ask>,
    slots: Vec<Slot>,
    begun: Instant,
    over: AtomicBool,
    once: AtomicU64,
    acknowledged: AtomicUsize,
}

/// A key in use. Where a write of it was given up, another key takes its place: what is never
/// answered may take effect at any time, and nothing could be said of writes after it.
struct Slot {
    key: Mutex<Key>,
    writers: tokio::sync::Semaphore,
}

struct Key {
    name: String,
    number: u64,
    generation: u64,
}

impl Field {
    /// A field for this load on these engines.
    #[must_use]
    pub fn new(load: Load, engines: Vec<Ask>) -> Arc<Self> {
        let slots = (0..load.keys).map(|slot| Slot {
            key: Mutex::new(Key::new(slot, 0)),
            writers: tokio::sync::Semaphore::new(load.writers),
        });
        Arc::new(Self {
            load,
            engines,
            slots: slots.collect(),
            begun: Instant::now(),
            over: AtomicBool::new(false),
            once: AtomicU64::new(0),
            acknowledged: AtomicUsize::new(0),
        })
    }

    /// Works until [`Field::stop`], and then until every client has an answer.
    ///
    /// # Errors
    /// Where a client panicked.
    pub async fn work(self: &Arc<Self>, mut random: Rng) -> anyhow::Result<Ledger> {
        let clients: Vec<_> = (0..self.load.clients)
            .map(|_| {
                let client = Client {
                    field: Arc::clone(self),
                    random: random.fork(),
                    ledger: Ledger::default(),
                };
                tokio::spawn(client.work())
            })
            .collect();
        let mut all = Ledger::default();
        for client in clients {
            all.add(client.await?);
        }
        Ok(all)
    }

    /// Lets the clients end what they are at.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// How many writes were acknowledged so far.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    fn over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_nanos() as u64
    }
}

impl Key {
    fn new(slot: usize, generation: u64) -> Self {
        Self {
            name: format!("k{slot}.{generation}"),
            number: 0,
            generation,
        }
    }
}

struct Client {
    field: Arc<Field>,
    random: Rng,
    ledger: Ledger,
}

impl Client {
    async fn work(mut self) -> Ledger {
        let field = Arc::clone(&self.field);
        while !field.over() {
            if self.random.u8(..100) < field.load.once_percent {
                let once = field.once.fetch_add(1, Ordering::Relaxed);
                self.write(&format!("once{once}"), 1, false, false).await;
            } else {
                let slot = self.random.usize(..field.slots.len());
                self.write_slot(slot).await;
            }
            let pause = self.random.u64(..=field.load.pause.as_micros() as u64);
            sleep(Duration::from_micros(pause)).await;
        }
        self.ledger
    }

    async fn write_slot(&mut self, slot: usize) {
        let field = Arc::clone(&self.field);
        // Where it has its writers already, another key is as good.
        let Ok(_writer) = field.slots[slot].writers.try_acquire() else {
            return;
        };
        let (name, number, generation) = {
            let mut key = field.slots[slot].key.lock().await;
            key.number += 1;
            (key.name.clone(), key.number, key.generation)
        };
        let deletes = number > 1 && self.random.u8(..100) < 10;
        // The other writers of a key could not know that nothing can be said of it any more.
        let may_give_up = field.load.writers == 1;
        if !self.write(&name, number, deletes, may_give_up).await {
            *field.slots[slot].key.lock().await = Key::new(slot, generation + 1);
        }
    }

    /// Sends one write until it is acknowledged, to whichever engine; answers false where it was
    /// given up.
    async fn write(&mut self, key: &str, number: u64, deletes: bool, may_give_up: bool) -> bool {
        let field = Arc::clone(&self.field);
        let operation = format!("{key}-{number}");
        let begun = field.now();
        let mut attempts = 0;
        let (sequence, engine) = loop {
            let engine = self.random.usize(..field.engines.len());
            let body = (!deletes).then(|| filled(key, number, field.load.filler));
            attempts += 1;
            match field.engines[engine].write(key, &operation, body).await {
                Answered::Queued { sequence, repeated } => {
                    self.ledger.repeated += u64::from(repeated);
                    break (Some(sequence), engine);
                }
                Answered::Written => break (None, engine),
                Answered::Refused(status, code) => {
                    let code = format!("{status} {code}");
                    *self.ledger.refusals.entry(code).or_default() += 1;
                }
                Answered::Nothing if may_give_up && self.random.u8(..100) < 5 => {
                    self.record(key, number, deletes, begun, Fate::Unknown);
                    return false;
                }
                Answered::Nothing => {}
            }
            self.ledger.repeats += 1;
            sleep(Duration::from_millis(self.random.u64(5..60))).await;
        };
        self.ledger.attempts_max = self.ledger.attempts_max.max(attempts);
        let at = field.now();
        let fate = Fate::Acknowledged { at, sequence };
        self.record(key, number, deletes, begun, fate);
        field.acknowledged.fetch_add(1, Ordering::Relaxed);
        if self.random.bool() {
            self.look(key, number, deletes, engine).await;
        }
        true
    }

    fn record(&mut self, key: &str, number: u64, deletes: bool, begun: u64, fate: Fate) {
        self.ledger.writes.push(Write {
            key: key.to_owned(),
            number,
            deletes,
            begun,
            fate,
        });
    }

    /// Reads what was just acknowledged, on the engine that did. A read that fails says nothing.
    async fn look(&mut self, key: &str, number: u64, deletes: bool, engine: usize) {
        let Ok(saw) = self.field.engines[engine].number(key).await else {
            return;
        };
        self.ledger.reads += 1;
        if saw != (!deletes).then_some(number) {
            self.ledger.looks.push(Look {
                key: key.to_owned(),
                floor: number,
                saw,
            });
        }
    }
}

/// A row as it is written, with so many bytes more than it needs.
fn filled(key: &str, number: u64, filler: usize) -> String {
    if filler == 0 {
        return body(key, number);
    }
    let filler = "x".repeat(filler);
    serde_json::json!({"id": key, "number": number, "filler": filler}).to_string()
}

/// A row as it is written.
#[must_use]
pub fn body(key: &str, number: u64) -> String {
    serde_json::json!({"id": key, "number": number}).to_string()
}
