//! Threads that own the connections, since SQLite blocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::batch;
use super::edit::Edit;
use super::schema::Table;
use super::statement::{self, Limits};
use crate::{OriginError, Written};

/// Calls that may wait for a thread; the next ones wait outside, within their own time.
const QUEUE: usize = 256;
/// Steps of SQLite's machine between two looks at the clock: some ten microseconds.
const STEPS: i32 = 1000;

/// What a worker is asked for.
pub(super) enum Task {
    Load { id: String },
    Edit(Vec<Edit>),
}

/// One for each id that a task names.
type Answers = Vec<Result<Written, OriginError>>;

struct Job {
    task: Task,
    deadline: Instant,
    answer: oneshot::Sender<Result<Answers, OriginError>>,
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
        connections: Vec<Connection>,
        table: &Arc<Table>,
        (timeout, limits): (Duration, Limits),
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let jobs = Arc::new(Mutex::new(jobs));
        for db in connections {
            let (jobs, table) = (jobs.clone(), table.clone());
            std::thread::Builder::new()
                .name(format!("larder-sqlite-{name}"))
                .spawn(move || work(db, &jobs, &table, limits))?;
        }
        Ok(Self {
            queue,
            timeout,
            limits,
        })
    }

    /// Has a task done, within the timeout.
    pub(super) async fn call(&self, task: Task) -> Result<Answers, OriginError> {
        // The last tenth is left for a commit that has begun, and for the answer.
        let deadline = Instant::now() + self.timeout.mul_f32(0.9);
        let (answer, answered) = oneshot::channel();
        let job = Job {
            task,
            deadline,
            answer,
        };
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
}

fn work(mut db: Connection, jobs: &Mutex<mpsc::Receiver<Job>>, table: &Table, limits: Limits) {
    loop {
        let job = jobs.lock().blocking_recv();
        let Some(job) = job else { return };
        // Nobody waits for it any more.
        if job.answer.is_closed() {
            continue;
        }
        let result = run(&mut db, &job, table, limits);
        // The caller may have gone in the meantime.
        let _ = job.answer.send(result);
    }
}

fn run(
    db: &mut Connection,
    job: &Job,
    table: &Table,
    limits: Limits,
) -> Result<Answers, OriginError> {
    let deadline = job.deadline;
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(OriginError::Timeout {
            limit_ms: limits.timeout_ms,
        });
    }
    let overdue = move || Instant::now() >= deadline;
    db.busy_timeout(left)
        .and_then(|()| db.progress_handler(STEPS, Some(overdue)))
        .map_err(|error| OriginError::Failed(error.to_string()))?;
    let may_commit = || !overdue() && !job.answer.is_closed();
    match &job.task {
        Task::Load { id } => statement::load(db, table, id, limits).map(|value| {
            vec![Ok(Written {
                value,
                ..Written::default()
            })]
        }),
        Task::Edit(edits) => Ok(batch::apply(db, table, edits, (limits, &may_commit))),
    }
}
