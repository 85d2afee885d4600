//! What of a group is to be written, decided before anything is.

use std::sync::Arc;

use super::operations::{Mark, Operations, micros};
use super::writer::{Answer, Grouped, Taking, Writer, respond};
use crate::queue::{Claim, Enqueued, QueueError, Queued};

/// A group on its way to the disk, and who waits for it.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) taken: Vec<Taken>,
    pub(super) flushed: Vec<(Claim, Vec<u64>, Answer<()>)>,
    /// Those who repeat what is in this very batch: it is not known to be kept before they are.
    repeated: Vec<(u64, Answer<Enqueued>)>,
    known: Operations,
    bytes: u64,
}

pub(super) struct Taken {
    pub(super) queued: Arc<Queued>,
    pub(super) record: Vec<u8>,
    pub(super) mark: Mark,
    answer: Answer<Enqueued>,
}

/// Numbers what is new, and answers what needs no writing.
pub(super) fn decide(writer: &mut Writer, group: Vec<Grouped>) -> Batch {
    let mut batch = Batch::default();
    for task in group {
        match task {
            Grouped::Take(taking, answer) => batch.take(writer, *taking, answer),
            Grouped::Flushed(claim, sequences, answer) => {
                batch.flush(writer, claim, sequences, answer);
            }
        }
    }
    batch
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.taken.is_empty() && self.flushed.is_empty()
    }

    fn take(&mut self, writer: &mut Writer, taking: Taking, answer: Answer<Enqueued>) {
        match self.known.find(&taking.mark, taking.at) {
            Ok(None) => {}
            Ok(Some(sequence)) => return self.repeated.push((sequence, answer)),
            Err(error) => return respond(answer, Err(error)),
        }
        match writer.operations.find(&taking.mark, taking.at) {
            Ok(None) => {}
            Ok(Some(sequence)) => {
                let repeated = true;
                return respond(answer, Ok(Enqueued { sequence, repeated }));
            }
            Err(error) => return respond(answer, Err(error)),
        }
        let size = taking.change.size();
        if let Err(error) = self.room(writer, size) {
            return respond(answer, Err(error));
        }
        let sequence = micros(taking.at).max(writer.last + 1);
        writer.last = sequence;
        self.bytes += size;
        self.known.put(&taking.mark, sequence);
        self.taken.push(Taken {
            queued: Arc::new(Queued {
                sequence,
                at: taking.at,
                change: taking.change,
            }),
            record: taking.record,
            mark: taking.mark,
            answer,
        });
    }

    fn room(&self, writer: &Writer, size: u64) -> Result<(), QueueError> {
        let (there, limits) = (writer.shared.index.read().load(), writer.limits);
        if there.changes + self.taken.len() as u64 >= limits.changes {
            return Err(QueueError::Full(format!(
                "it holds {} changes, dead letters among them; raise `write_behind.limit`, or see why the origin does not take them",
                limits.changes
            )));
        }
        if there.bytes + self.bytes + size > limits.bytes {
            return Err(QueueError::Full(format!(
                "its changes would take more than {} bytes, dead letters among them; raise `write_behind.limit_bytes`, or see why the origin does not take them",
                limits.bytes
            )));
        }
        Ok(())
    }

    fn flush(&mut self, writer: &Writer, claim: Claim, mut of: Vec<u64>, answer: Answer<()>) {
        let index = writer.shared.index.read();
        if let Err(error) = index.claims.check(&claim, None) {
            return respond(answer, Err(error));
        }
        of.retain(|sequence| index.is_waiting(&claim.partition, *sequence));
        if of.is_empty() {
            return respond(answer, Ok(()));
        }
        self.flushed.push((claim, of, answer));
    }

    /// Tells all who wait what came of the writing.
    pub(super) fn answer(self, written: &Result<(), QueueError>) {
        let enqueued = |sequence, repeated| {
            let enqueued = Enqueued { sequence, repeated };
            written.clone().map(|()| enqueued)
        };
        for taken in self.taken {
            respond(taken.answer, enqueued(taken.queued.sequence, false));
        }
        for (sequence, answer) in self.repeated {
            respond(answer, enqueued(sequence, true));
        }
        for (_, _, answer) in self.flushed {
            respond(answer, written.clone());
        }
    }
}
