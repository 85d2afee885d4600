//! Threads that own the connections, since SQLite blocks.

use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

use larder_core::request::clip;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::edit::Edit;
use super::file::Seat;
use super::link::Link;
use super::look::Look;
use super::statement::{self, Limits};
use super::{batch, failure};
use crate::{OriginError, Written, fields};

/// Calls that may wait for a thread; the next ones wait outside, within their own time.
const QUEUE: usize = 256;
/// Steps of SQLite's machine between two looks at the clock: some ten microseconds.
const STEPS: i32 = 1000;

/// What a worker is asked for.
pub(super) enum Task {
    Load {
        id: String,
        fields: Vec<String>,
    },
    Edit(Vec<Edit>),
    /// Whether the table can be read as it is configured.
    Look,
}

/// One for each id that a task names.
type Answers = Vec<Result<Written, OriginError>>;

struct Job {
    task: Task,
    deadline: Instant,
    answer: oneshot::Sender<Result<Answers, OriginError>>,
}

/// A thread's connection, and the table as it knows it.
pub(super) struct Post {
    pub(super) seat: Seat,
    pub(super) look: Look,
}

/// Workers that share one queue. They end when the pool is dropped.
pub(super) struct Pool {
    queue: mpsc::Sender<Job>,
    timeout: Duration,
    limits: Limits,
}

impl Pool {
    /// One thread for each connection.
    pub(super) fn start(
        name: &str,
        posts: Vec<Post>,
        (timeout, limits): (Duration, Limits),
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for post in posts {
            let jobs = jobs.clone();
            std::thread::Builder::new()
                .name(format!("larder-sqlite-{name}"))
                .spawn(move || work(post, &jobs, limits))?;
        }
        Ok(Self {
            queue,
            timeout,
            limits,
        })
    }

    /// Has a task done, within the timeout.
    pub(super) async fn call(&self, task: Task) -> Result<Answers, OriginError> {
        let (job, answered) = job(task, self.timeout);
        let ended = || OriginError::Failed("its worker thread has ended; restart".into());
        let call = async {
            self.queue.send(job).await.map_err(|_| ended())?;
            answered.await.map_err(|_| ended())?
        };
        let limit_ms = self.limits.timeout_ms;
        tokio::time::timeout(self.timeout, call)
            .await
            .unwrap_or(Err(OriginError::Timeout { limit_ms }))
    }

    /// Looks at the table now and then, so that its trouble is known while nobody calls, and is
    /// known to be over while nobody dares to. It ends when what is answered is dropped.
    pub(super) fn watch(&self, every: Duration) -> std::io::Result<Watch> {
        let (watch, over) = std::sync::mpsc::channel::<()>();
        let (queue, timeout) = (self.queue.downgrade(), self.timeout);
        let look = move || {
            while over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let Some(queue) = queue.upgrade() else { return };
                let (job, answered) = job(Task::Look, timeout);
                if queue.try_send(job).is_ok() {
                    drop(queue);
                    let _ = answered.blocking_recv();
                }
            }
        };
        let thread = std::thread::Builder::new().name("larder-sqlite-look".into());
        thread.spawn(look)?;
        Ok(Watch { _ends: watch })
    }
}

/// A table that is being looked at.
pub(super) struct Watch {
    _ends: std::sync::mpsc::Sender<()>,
}

type Answer = oneshot::Receiver<Result<Answers, OriginError>>;

fn job(task: Task, timeout: Duration) -> (Job, Answer) {
    // The last tenth is left for a commit that has begun, and for the answer.
    let deadline = Instant::now() + timeout.mul_f32(0.9);
    let (answer, answered) = oneshot::channel();
    let job = Job {
        task,
        deadline,
        answer,
    };
    (job, answered)
}

fn work(mut post: Post, jobs: &Mutex<mpsc::Receiver<Job>>, limits: Limits) {
    loop {
        let job = jobs.lock().blocking_recv();
        let Some(job) = job else { return };
        // Nobody waits for it any more.
        if job.answer.is_closed() {
            continue;
        }
        let result = post.run(&job, limits);
        // The caller may have gone in the meantime.
        let _ = job.answer.send(result);
    }
}

impl Post {
    fn run(&mut self, job: &Job, limits: Limits) -> Result<Answers, OriginError> {
        let Self { seat, look } = self;
        let deadline = job.deadline;
        let overdue = move || Instant::now() >= deadline;
        let mut opened = false;
        let result = seat.with(|link| {
            opened = true;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(OriginError::Timeout {
                    limit_ms: limits.timeout_ms,
                });
            }
            link.db
                .busy_timeout(left)
                .and_then(|()| link.db.progress_handler(STEPS, Some(overdue)))
                .map_err(|error| OriginError::Failed(error.to_string()))?;
            let may_commit = || !overdue() && !job.answer.is_closed();
            match &job.task {
                Task::Look => read(link, look, limits, None).map(|_| Vec::new()),
                Task::Load { id, fields } => {
                    let read = read(link, look, limits, Some((id, fields)));
                    read.map(|written| vec![Ok(written)])
                }
                Task::Edit(edits) if link.read_only => Ok(refusals(edits)),
                Task::Edit(edits) => {
                    let db = (&mut link.db, link.number);
                    Ok(batch::apply(db, look, edits, (limits, &may_commit)))
                }
            }
        });
        self.note(&job.task, opened, result.as_ref().err());
        match result {
            Ok(answers) if matches!(job.task, Task::Edit(_)) && !self.seat.is_current() => {
                Ok(answers
                    .into_iter()
                    .map(|one| one.and(Err(replaced())))
                    .collect())
            }
            result => result,
        }
    }

    /// Keeps in mind whether calls can succeed at all: a file that cannot be opened, or in which
    /// there is no looking at the table, has none that do. A row that cannot be read is one row.
    fn note(&self, task: &Task, opened: bool, failed: Option<&OriginError>) {
        let seen = self.look.seen();
        match failed {
            None if matches!(task, Task::Look) => seen.ends(),
            Some(
                error @ (OriginError::Unreachable(_)
                | OriginError::Broken(_)
                | OriginError::Failed(_)),
            ) if !opened || matches!(task, Task::Look) => seen.begins(error.to_string()),
            _ => {}
        }
    }
}

/// The row, of the table as it is in the same moment.
fn read(
    link: &mut Link,
    look: &mut Look,
    limits: Limits,
    wanted: Option<(&str, &[String])>,
) -> Result<Written, OriginError> {
    let failed = |error| failure::of_reading(&error, limits);
    let number = link.number;
    let moment = link.db.transaction().map_err(failed)?;
    let table = look.table(&moment, number, limits)?;
    let Some((id, asked)) = wanted else {
        return Ok(Written::default());
    };
    let shown = fields::places(asked, &table.names())?;
    let value = statement::load(&moment, &table, (id, shown.as_deref()), limits)?;
    Ok(Written {
        value,
        ..Written::default()
    })
}

/// The answers to edits of a file that may only be read. What is queued waits.
fn refusals(edits: &[Edit]) -> Answers {
    let refusal = |edit: &Edit| {
        let why = format!(
            "the database file may only be read, so `{}` was not written: give the user that Larder \
             runs as the right to write the file and its folder",
            clip(&edit.id)
        );
        Err(match edit.sequence {
            Some(_) => OriginError::Failed(why),
            None => OriginError::Rejected(why),
        })
    };
    edits.iter().map(refusal).collect()
}

fn replaced() -> OriginError {
    OriginError::Failed(
        "the database file was replaced while it was written: the write may be in the old one \
         alone; repeat it"
            .into(),
    )
}
