//! What nodes show each other of queues of their own, in Redis.
//!
//! Each row is a hash with the changes of each node that has any: the newest under the name of the
//! node, the others under that name and their number. Each node has a set of the rows that it shows. Nothing of it has an end: a node takes back what it showed, also after a
//! restart, by the name that it has kept.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::try_join_all;
use parking_lot::Mutex;
use redis::{Script, Value};
use tokio::sync::watch;

use super::super::config::RedisConfig;
use super::super::error::ConnectError;
use super::super::link::Link;
use super::super::link::clock::ServerClock;
use super::super::link::topology::Topology;
use super::names::{Names, row_name};
use super::open::place;
use super::typed;
use super::wait::Pauses;
use crate::queue::{Partition, QueueError, Queued, Row, record};

/// The most rows that are asked for in one step.
const STEP: usize = 500;

/// How wide the number in front of a change is, in digits.
const NUMBER: usize = 20;

/// What is new of the changes that a node has of a row.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct News {
    /// Whether `came` is all there is, whatever was shown before.
    pub(crate) all: bool,
    /// The numbers of those that are there no longer.
    pub(crate) gone: Vec<u64>,
    /// Those that came, oldest first and newer than those that are shown.
    pub(crate) came: Vec<Arc<Queued>>,
}

impl News {
    /// What is new where `shown` are the numbers that are shown, if that is known.
    pub(crate) fn of(shown: Option<&[u64]>, pending: &[Arc<Queued>]) -> Self {
        let all = || Self {
            all: true,
            gone: Vec::new(),
            came: pending.to_vec(),
        };
        let Some(newest) = shown.and_then(<[u64]>::last) else {
            return all();
        };
        // Both are in order, and may be long while an origin is down.
        let there = |number: &u64| {
            let found = pending.binary_search_by_key(number, |queued| queued.sequence);
            found.is_ok()
        };
        let is_shown = |queued: &&Arc<Queued>| {
            shown.is_some_and(|all| all.binary_search(&queued.sequence).is_ok())
        };
        let (old, came): (Vec<_>, Vec<_>) = pending.iter().partition(is_shown);
        let in_order = came.iter().all(|queued| queued.sequence > *newest);
        // What bears the node's own name has no other that would have to take its place.
        if !there(newest) || !in_order || old.is_empty() {
            return all();
        }
        let shown = shown.unwrap_or_default().iter();
        Self {
            all: false,
            gone: shown.filter(|number| !there(number)).copied().collect(),
            came: came.into_iter().cloned().collect(),
        }
    }
}

/// Shows unflushed changes of one node to the others.
///
/// Redis is where they see them, not where they are kept: what it loses is shown again when the
/// node starts the next time, or when the row changes.
pub struct Mirror {
    link: Link,
    /// The masters as they were when they were last looked at.
    seen: Mutex<Option<watch::Receiver<Arc<Topology>>>>,
    names: Names,
    place: String,
    show: Script,
    hide: Script,
    older: Script,
}

impl Mirror {
    /// Connects. Where waiting may help it begins without a connection, as a local queue does not
    /// need Redis to start.
    ///
    /// # Errors
    /// If the server cannot be used; the message says what to change.
    pub async fn connect(config: &RedisConfig) -> Result<Self, ConnectError> {
        Ok(Self {
            link: Link::connect_or_wait(config).await?,
            seen: Mutex::default(),
            names: Names::of_mirror(&config.prefix),
            place: place(config),
            show: Script::new(include_str!("lua/show.lua")),
            hide: Script::new(include_str!("lua/hide.lua")),
            older: Script::new(include_str!("lua/older.lua")),
        })
    }

    /// The time as its Redis tells it.
    pub(crate) fn clock(&self) -> Arc<ServerClock> {
        self.link.clock()
    }

    /// Where it is, without credentials.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Shows what `node` has of a row, oldest first, beside or in the place of what it showed before.
    ///
    /// # Errors
    /// If Redis does not take it; whether it did may not be known.
    pub(crate) async fn show(&self, node: &str, row: &Row, news: &News) -> Result<(), QueueError> {
        let (name, keys) = (row_name(row), self.keys(node, row));
        let keys = keys.each_ref().map(String::as_str);
        let count = news.gone.len().to_string();
        let gone: Vec<String> = news.gone.iter().map(|gone| digits(*gone)).collect();
        let texts: Vec<Vec<u8>> = news.came.iter().map(|queued| text(queued)).collect();
        let first: &[u8] = if news.all { b"1" } else { b"0" };
        let mut args = vec![node.as_bytes(), name.as_bytes(), first, count.as_bytes()];
        args.extend(gone.iter().map(String::as_bytes));
        args.extend(texts.iter().map(Vec::as_slice));
        self.link.script(&self.show, &keys, &args).await?;
        Ok(())
    }

    /// `node` has no change of a row any more.
    ///
    /// # Errors
    /// If Redis does not take it; whether it did may not be known.
    pub async fn hide(&self, node: &str, row: &Row) -> Result<(), QueueError> {
        let (name, keys) = (row_name(row), self.keys(node, row));
        let keys = keys.each_ref().map(String::as_str);
        let args = [node.as_bytes(), name.as_bytes()];
        self.link.script(&self.hide, &keys, &args).await?;
        Ok(())
    }

    /// The newest change of a row that a node other than `but` shows.
    ///
    /// # Errors
    /// If Redis does not answer, or shows something that is not a change.
    pub async fn unflushed(&self, but: &str, row: &Row) -> Result<Option<Arc<Queued>>, QueueError> {
        let mut all = self.pending(but, row).await?;
        Ok(all.pop())
    }

    /// All changes of a row that nodes other than `but` show, oldest first.
    ///
    /// # Errors
    /// As [`Mirror::unflushed`].
    pub async fn pending(&self, but: &str, row: &Row) -> Result<Vec<Arc<Queued>>, QueueError> {
        let key = self.names.shown(row);
        let mut all = redis::cmd("HGETALL");
        all.arg(&key);
        let shown: HashMap<String, Value> = typed(self.link.query(all).await?)?;
        let others = shown.into_iter().filter(|(field, _)| node_of(field) != but);
        let others = others.map(|(_, text)| queued(text, &key).map(Arc::new));
        let mut others = others.collect::<Result<Vec<_>, _>>()?;
        others.sort_unstable_by_key(|queued| queued.sequence);
        Ok(others)
    }

    /// Of each of these rows of one partition, the number of the oldest change that nodes other than
    /// `but` show.
    pub(crate) async fn oldest(
        &self,
        but: &str,
        rows: &[Row],
    ) -> Result<Vec<Option<u64>>, QueueError> {
        let mut oldest = Vec::with_capacity(rows.len());
        for some in rows.chunks(STEP) {
            let keys: Vec<String> = some.iter().map(|row| self.names.shown(row)).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let told = self
                .link
                .script(&self.older, &keys, &[but.as_bytes()])
                .await?;
            let told: Vec<String> = typed(told)?;
            oldest.extend(told.iter().map(|digits| digits.parse().ok()));
        }
        Ok(oldest)
    }

    /// Whether links were lost, healed or moved since this was last asked; none while not all
    /// masters are reached.
    pub(crate) fn news(&self) -> Option<bool> {
        let mut seen = self.seen.lock();
        let first = seen.is_none();
        let watched = seen.get_or_insert_with(|| self.link.watch());
        let news = first || watched.has_changed().unwrap_or(false);
        let up = watched.borrow_and_update().is_up();
        if !up {
            // It will be news when it is up.
            *seen = None;
        }
        up.then_some(news)
    }

    /// Waits until what nodes other than `but` show of a row may have changed.
    pub(crate) async fn moved(&self, but: &str, row: &Row) {
        let (mut pauses, mut first) = (Pauses::new(), None);
        loop {
            if let Ok(shown) = self.unflushed(but, row).await {
                let shown = shown.map(|queued| queued.sequence);
                if first.is_some_and(|first| shown.is_none() || first != shown) {
                    return;
                }
                first = Some(shown);
            }
            pauses.next().await;
        }
    }

    /// All rows that `node` shows.
    pub(crate) async fn rows(&self, node: &str) -> Result<Vec<Row>, QueueError> {
        let mut members = redis::cmd("SMEMBERS");
        members.arg(self.names.origins());
        let origins: Vec<String> = typed(self.link.query(members).await?)?;
        let origins: Vec<Arc<str>> = origins.into_iter().map(Arc::from).collect();
        let each = origins.iter().flat_map(Partition::all);
        let rows = try_join_all(each.map(async |of| self.rows_of(node, &of).await)).await?;
        Ok(rows.into_iter().flatten().collect())
    }

    async fn rows_of(&self, node: &str, of: &Partition) -> Result<Vec<Row>, QueueError> {
        let mut members = redis::cmd("SMEMBERS");
        members.arg(self.names.shown_by(node, of));
        let names: Vec<String> = typed(self.link.query(members).await?)?;
        let mut rows = Vec::with_capacity(names.len());
        for name in names {
            let key = self.names.shown_as(of, &name);
            let mut get = redis::cmd("HGET");
            get.arg(&key).arg(node);
            let text = self.link.query(get).await?;
            if text != Value::Nil {
                rows.push(queued(text, &key)?.change.row);
            }
        }
        Ok(rows)
    }

    /// Makes an origin known, before anything of it is shown: nothing else tells which there are.
    pub(crate) async fn know(&self, origin: &str) -> Result<(), QueueError> {
        let mut add = redis::cmd("SADD");
        add.arg(self.names.origins()).arg(origin);
        self.link.query(add).await?;
        Ok(())
    }

    fn keys(&self, node: &str, row: &Row) -> [String; 2] {
        let of = row.partition();
        [self.names.shown(row), self.names.shown_by(node, &of)]
    }
}

/// The text of a change as it is shown.
fn text(queued: &Queued) -> Vec<u8> {
    let mut text = digits(queued.sequence).into_bytes();
    text.extend_from_slice(&record::encode(&queued.change, queued.at));
    text
}

fn digits(sequence: u64) -> String {
    format!("{sequence:020}")
}

/// The node whose field of a row it is.
fn node_of(field: &str) -> &str {
    field.split_once('/').map_or(field, |(node, _)| node)
}

fn queued(text: Value, place: &str) -> Result<Queued, QueueError> {
    let corrupt = |why: &str| QueueError::Corrupt {
        place: place.to_owned(),
        why: why.to_owned(),
    };
    let Value::BulkString(text) = text else {
        return Err(corrupt("it is no text"));
    };
    let text = bytes::Bytes::from(text);
    let number = text
        .get(..NUMBER)
        .and_then(|digits| std::str::from_utf8(digits).ok());
    let number = number.and_then(|digits| digits.parse().ok());
    let sequence = number.ok_or_else(|| corrupt("it has no number"))?;
    let (change, at) =
        record::decode(&text.slice(NUMBER..)).map_err(|damage| corrupt(damage.why))?;
    Ok(Queued {
        sequence,
        at,
        change,
    })
}
