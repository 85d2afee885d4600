//! What goes wrong for request after request: in the log as one line for each ten seconds, with a
//! count. Every single one is in the metrics.

use std::sync::Arc;

use larder_core::{Repeats, Said};
use parking_lot::Mutex;
use tokio::time::Instant;

/// What a request met.
#[derive(Debug)]
pub(crate) enum Complaint {
    /// The policy did not decide.
    Policy {
        policy: Arc<str>,
        revision: String,
        failure: &'static str,
        on_failure: &'static str,
        message: String,
    },
    /// The policy did not judge what was loaded.
    Admission {
        policy: Arc<str>,
        failure: &'static str,
        message: String,
    },
    /// A load failed, and its readers got what is stale.
    Stale {
        /// The origin, or the policy where it has none.
        origin: Arc<str>,
        code: &'static str,
        key: String,
        message: String,
    },
    /// The store did not answer.
    Store { message: String },
}

/// What repeats: the kind, whose it is, and the code of the failure.
type Kind = (&'static str, Arc<str>, &'static str);

/// The complaints of an engine.
pub(crate) struct Complaints {
    began: Instant,
    repeats: Mutex<Repeats<Kind, Complaint>>,
}

impl Complaints {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            repeats: Mutex::default(),
        }
    }

    /// Says so, unless it was said just now.
    pub(crate) fn note(&self, complaint: Complaint) {
        let kind = complaint.kind();
        let said = self.repeats.lock().note(kind, complaint, self.now_ms());
        if let Some(said) = said {
            say(&said);
        }
    }

    /// Says what has been counted for long enough.
    pub(crate) fn go_on(&self) {
        let due = self.repeats.lock().due(self.now_ms());
        due.iter().for_each(say);
    }

    fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

impl Complaint {
    fn kind(&self) -> Kind {
        match self {
            Self::Policy {
                policy, failure, ..
            } => ("policy", Arc::clone(policy), failure),
            Self::Admission {
                policy, failure, ..
            } => ("admission", Arc::clone(policy), failure),
            Self::Stale { origin, code, .. } => ("stale", Arc::clone(origin), code),
            Self::Store { .. } => ("store", Arc::default(), ""),
        }
    }
}

fn say(said: &Said<Complaint>) {
    let count = said.count;
    match &said.what {
        Complaint::Policy {
            policy,
            revision,
            failure,
            on_failure,
            message,
        } => tracing::warn!(
            %policy, revision, failure, on_failure, count, "policy failed: {message}"
        ),
        Complaint::Admission {
            policy,
            failure,
            message,
        } => tracing::warn!(%policy, failure, count, "policy failed in admit: {message}"),
        Complaint::Stale {
            origin,
            code,
            key,
            message,
        } => tracing::warn!(%origin, key, code, count, "serving stale: {message}"),
        Complaint::Store { message } => tracing::warn!(count, "the store failed: {message}"),
    }
}
