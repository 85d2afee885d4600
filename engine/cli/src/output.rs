//! Where text goes: results to standard output, progress to standard error if a person watches.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::Context as _;
use serde::Serialize;

use crate::exit::Outcome;

/// Prints a result. Unlike `println!` it answers an error where the reader has gone.
pub(crate) fn print(text: &str) -> Outcome {
    let mut out = io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    let written = written.context("the output cannot be written");
    written.map_err(Into::into)
}

/// Prints a result for programs.
pub(crate) fn print_json(value: &impl Serialize) -> Outcome {
    let mut text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    text.push('\n');
    print(&text)
}

/// Whether a person watches what goes to standard error.
pub(crate) fn is_watched() -> bool {
    io::stderr().is_terminal()
}

/// Says what goes on, if a person watches.
pub(crate) fn progress(text: &str) {
    if is_watched() {
        note(text);
    }
}

/// Says what the person should know even if the output is a pipe.
pub(crate) fn note(text: &str) {
    // Nobody is left to be told that nobody listens.
    let _ = writeln!(io::stderr(), "{text}");
}
