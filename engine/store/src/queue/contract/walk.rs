//! Random walks beside a model: for each row the list of its changes, and which of them are dead.

use std::collections::BTreeSet;

use super::subject::{CLAIM_MS, NOW, Subject, done, fail, neighbours, number};
use crate::queue::{Claim, Letters, Row};

const STEPS: u32 = 300;
const ROWS: usize = 3;

/// What must be there: numbers by row, all of one partition.
#[derive(Default)]
struct Model {
    rows: [Kept; ROWS],
}

#[derive(Default)]
struct Kept {
    waiting: BTreeSet<u64>,
    dead: BTreeSet<u64>,
}

impl Model {
    /// What a flusher is given; what is met of parked rows dies.
    fn head(&mut self) -> Vec<u64> {
        let mut all: Vec<(u64, usize)> = Vec::new();
        for (row, kept) in self.rows.iter().enumerate() {
            all.extend(kept.waiting.iter().map(|sequence| (*sequence, row)));
        }
        all.sort_unstable();
        let mut head = Vec::new();
        for (sequence, row) in all {
            let kept = &mut self.rows[row];
            if kept.dead.is_empty() {
                head.push(sequence);
            } else {
                kept.waiting.remove(&sequence);
                kept.dead.insert(sequence);
            }
        }
        head
    }

    fn dead(&self) -> BTreeSet<u64> {
        self.rows.iter().flat_map(|row| row.dead.clone()).collect()
    }

    fn bury(&mut self, sequence: u64) {
        for kept in &mut self.rows {
            if kept.waiting.remove(&sequence) {
                kept.dead.insert(sequence);
            }
        }
    }

    fn flush(&mut self, sequences: &[u64]) {
        for kept in &mut self.rows {
            kept.waiting
                .retain(|sequence| !sequences.contains(sequence));
        }
    }

    fn retry(&mut self, row: usize) -> u64 {
        let dead = std::mem::take(&mut self.rows[row].dead);
        let count = dead.len() as u64;
        self.rows[row].waiting.extend(dead);
        count
    }
}

pub(super) async fn any_walk_ends_where_the_model_does(mut on: Subject) {
    let seed = fastrand::u64(..);
    let mut dice = fastrand::Rng::with_seed(seed);
    let (rows, _) = neighbours(ROWS);
    let (mut model, mut now) = (Model::default(), NOW);
    let mut claim = on.claim(&rows[0].partition()).await;
    for step in 0..STEPS {
        if dice.u8(..) < 8 {
            on = on.crash().await;
            now = now.plus(CLAIM_MS);
            claim = match on.ask(&claim.partition, now).await {
                Some(claim) => claim,
                None => fail("the claim from before the crash never ends"),
            };
        }
        go(&on, &mut model, &mut dice, (&rows, &claim)).await;
        compare(&on, &model, &rows, &format!("seed {seed}, step {step}")).await;
    }
}

/// One step, in both worlds.
async fn go(
    on: &Subject,
    model: &mut Model,
    dice: &mut fastrand::Rng,
    (rows, claim): (&[Row], &Claim),
) {
    let row = dice.usize(..ROWS);
    let dead: Vec<u64> = model.rows[row].dead.iter().copied().collect();
    match dice.u8(..10) {
        0..=4 => {
            let new = on.put(&rows[row], &["v"]).await[0];
            model.rows[row].waiting.insert(new);
        }
        5..=6 => {
            let head = on.queued(claim, usize::MAX).await;
            let head: Vec<_> = head.iter().map(|queued| queued.sequence).collect();
            assert_eq!(head, model.head());
            let end = dice.usize(..=head.len().min(5));
            on.flushed(claim, &head[..end]).await;
            model.flush(&head[..end]);
        }
        7 => {
            if let Some(first) = model.rows[row].waiting.first().copied() {
                on.bury(claim, first, "no").await;
                model.bury(first);
            }
        }
        8 => {
            if let Some(one) = dice.choice(&dead) {
                let retried = on.retry(&number(&rows[row], *one)).await;
                assert_eq!(retried, model.retry(row));
            }
        }
        _ => {
            if let Some(one) = dice.choice(&dead) {
                on.forget(&number(&rows[row], *one)).await;
                model.rows[row].dead.remove(one);
            } else if dice.u8(..) < 8 {
                let forgotten = on.forget(&Letters::All).await;
                assert_eq!(forgotten.len(), model.dead().len());
                model.rows.iter_mut().for_each(|kept| kept.dead.clear());
            }
        }
    }
}

async fn compare(on: &Subject, model: &Model, rows: &[Row], place: &str) {
    for (row, kept) in rows.iter().zip(&model.rows) {
        let seen = done(on.queue().unflushed(row).await).map(|queued| queued.sequence);
        let newest = kept.waiting.last().max(kept.dead.last()).copied();
        assert_eq!(seen, newest, "{place}");
    }
    let letters = on.letters().await;
    let letters: BTreeSet<_> = letters.iter().map(|one| one.queued.sequence).collect();
    assert_eq!(letters, model.dead(), "{place}");
    let depth = on.depth().await;
    let waiting: usize = model.rows.iter().map(|kept| kept.waiting.len()).sum();
    let parked = model.rows.iter().filter(|kept| !kept.dead.is_empty());
    assert_eq!(depth.waiting, waiting as u64, "{place}");
    assert_eq!(depth.parked, parked.count() as u64, "{place}");
}
