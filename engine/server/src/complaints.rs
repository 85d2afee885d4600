//! What answers say of failures, in the log: one line for each ten seconds and code, with a count.
//! Every single answer is in the metrics.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use larder::core::{Repeats, Said};
use parking_lot::Mutex;

use crate::problem::Problem;

/// How often is looked whether there is something to say.
const EVERY: Duration = Duration::from_secs(1);

/// What was answered.
struct Complaint {
    code: &'static str,
    status: u16,
    /// The token of the caller, where the answer is about what it may do.
    token: String,
    detail: String,
}

/// What repeats: a code, and a token where it is about one. Both are few.
type Kind = (&'static str, String);

/// Of the whole program, as its log is.
static ALL: LazyLock<(Instant, Mutex<Repeats<Kind, Complaint>>)> =
    LazyLock::new(|| (Instant::now(), Mutex::default()));

/// Says what was answered, unless it was said just now; `token` is the caller's, or empty.
pub(crate) fn note(problem: &Problem, token: &str) {
    let complaint = Complaint {
        code: problem.code,
        status: problem.status.as_u16(),
        token: token.to_owned(),
        detail: problem.detail.clone(),
    };
    let kind = (problem.code, token.to_owned());
    let said = ALL.1.lock().note(kind, complaint, now_ms());
    if let Some(said) = said {
        say(&said);
    }
}

/// Says what has been counted for long enough, again and again.
pub(crate) async fn go_on() {
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let due = ALL.1.lock().due(now_ms());
        due.iter().for_each(say);
    }
}

fn now_ms() -> u64 {
    ALL.0.elapsed().as_millis() as u64
}

fn say(said: &Said<Complaint>) {
    let Complaint {
        code,
        status,
        token,
        detail,
    } = &said.what;
    let count = said.count;
    match token.as_str() {
        "" => tracing::warn!(code, status, count, "{detail}"),
        token => tracing::info!(code, status, token, count, "refused: {detail}"),
    }
}
