//! Watches a sweep until it ends, on a terminal with a line that moves.

use std::time::Duration;

use hyper::Method;
use hyper::header::HeaderValue;
use indicatif::{ProgressBar, ProgressStyle};
use larder_server::wire::SweepReply;

use crate::client::{self, read};
use crate::exit::Failure;

const EVERY: Duration = Duration::from_millis(200);

/// Asks until the sweep has ended. A pipe sees nothing of it.
pub(super) fn wait(
    server: &str,
    token: &Option<HeaderValue>,
    sweep: &str,
) -> Result<SweepReply, Failure> {
    let line = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
        line.set_style(style);
    }
    let path = format!("/v1/invalidations/{sweep}");
    loop {
        let answer = client::call(server, token.clone(), Method::GET, &path, Vec::new())?;
        let progress: SweepReply = read(&answer)?;
        if progress.complete || progress.failed.is_some() {
            line.finish_and_clear();
            return Ok(progress);
        }
        let (scanned, removed) = (progress.scanned, progress.removed);
        line.set_message(format!("{scanned} keys looked at, {removed} entries gone"));
        line.tick();
        #[allow(
            clippy::disallowed_methods,
            reason = "a command that waits has nothing else to do"
        )]
        std::thread::sleep(EVERY);
    }
}
