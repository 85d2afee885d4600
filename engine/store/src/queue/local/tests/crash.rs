//! Killed at any moment, with nothing lost that was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use super::{FOLDER, NOW, child, open, row, text, waiting};
use crate::queue::contract::subject::change;
use crate::queue::{Partition, Queue};

const ROUNDS: usize = 6;
const WRITERS: usize = 12;

/// What a child said of its changes before it was killed.
#[derive(Default)]
struct Told {
    taken: BTreeMap<u64, String>,
    /// The child asked to have them removed; whether they were is not known until it says so.
    flushing: BTreeSet<u64>,
    flushed: BTreeSet<u64>,
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_at_any_moment() {
    let dir = tempfile::tempdir().unwrap();
    let mut told = Told::default();
    for round in 0..ROUNDS {
        let before = told.taken.len();
        told = kill(told, dir.path(), 30 + fastrand::usize(..600));
        assert!(told.taken.len() > before, "round {round} took nothing");
        check(&told, dir.path()).await;
    }
}

/// Has a child write until it has said so many lines, and kills it.
fn kill(mut told: Told, dir: &Path, lines: usize) -> Told {
    let mut command = child("crash::writes_until_it_is_killed", dir);
    let mut writing = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(writing.stdout.take().unwrap());
    let mut count = 0;
    loop {
        let mut line = String::new();
        // A line that has no end was being written when the child died.
        if said.read_line(&mut line).unwrap() == 0 || !line.ends_with('\n') {
            break;
        }
        told.hear(line.trim_end());
        count += 1;
        if count == lines {
            // SIGKILL, on systems that have it.
            writing.kill().unwrap();
        }
    }
    writing.wait().unwrap();
    told
}

impl Told {
    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (what, number) = (words.next(), words.next());
        let number = number.and_then(|number| number.parse().ok());
        match (what, number) {
            (Some("taken"), Some(number)) => {
                let text = words.next().unwrap().to_owned();
                assert!(self.taken.insert(number, text).is_none(), "{number} twice");
            }
            (Some("flushing"), Some(number)) => drop(self.flushing.insert(number)),
            (Some("flushed"), Some(number)) => drop(self.flushed.insert(number)),
            // The words of the test program.
            _ => {}
        }
    }
}

async fn check(told: &Told, dir: &Path) {
    let queue = open(dir);
    let mut there = BTreeMap::new();
    for queued in waiting(&queue).await {
        let before = there.insert(queued.sequence, text(&queued));
        assert_eq!(before, None, "a change is there twice");
    }
    for (sequence, text) in &told.taken {
        if !told.flushing.contains(sequence) {
            assert_eq!(there.get(sequence), Some(text), "{sequence} is lost");
        }
    }
    for sequence in &told.flushed {
        assert!(!there.contains_key(sequence), "{sequence} is back");
    }
    // Each writer wrote one after the other, so its texts grow with their numbers.
    let mut last: BTreeMap<&str, &str> = BTreeMap::new();
    for text in there.values() {
        let (writer, step) = text.rsplit_once(':').unwrap();
        let before = last.insert(writer, step);
        assert!(before < Some(step), "{text} is out of order");
    }
}

fn say(words: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{words}").unwrap();
    out.flush().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "what the parent kills"]
async fn writes_until_it_is_killed() {
    let dir = std::env::var_os(FOLDER).expect("the folder of the parent");
    let queue = Arc::new(open(dir.as_ref()));
    // The test program has begun a line of its own.
    say("");
    let run = fastrand::u64(..);
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let queue = Arc::clone(&queue);
        tasks.spawn(async move {
            for step in 0_u64.. {
                let text = format!("{run:x}-{writer}:{step:08}");
                let mut change = change(&row(&(step % 5).to_string()), &text);
                change.operation = text.as_str().into();
                let taken = queue.enqueue(change, NOW).await.unwrap();
                say(&format!("taken {} {text}", taken.sequence));
            }
        });
    }
    for partition in Partition::all(&"shop".into()) {
        let queue = Arc::clone(&queue);
        tasks.spawn(async move { flush(&queue, &partition).await });
    }
    tasks.join_next().await;
    panic!("it runs until it is killed");
}

/// Has what comes removed, but for one in eight, so that something is left to look for.
async fn flush(queue: &crate::LocalQueue, partition: &Partition) {
    let claim = queue.claim(partition, 600_000, NOW).await.unwrap().unwrap();
    loop {
        let arrived = queue.arrived(partition);
        let head = queue.head(&claim, usize::MAX, NOW).await.unwrap();
        let some = head.iter().map(|one| one.sequence);
        let some: Vec<_> = some.filter(|one| one % 8 != 0).collect();
        for sequence in &some {
            say(&format!("flushing {sequence}"));
        }
        queue.flushed(&claim, &some).await.unwrap();
        for sequence in &some {
            say(&format!("flushed {sequence}"));
        }
        arrived.await;
    }
}
