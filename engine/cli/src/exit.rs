//! How a command ends.

use std::io;
use std::process::ExitCode;

/// The exit codes, as `larder --help` lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Done.
    Done = 0,
    /// It failed.
    Failed = 1,
    /// The command line or the configuration is wrong. clap ends with this by itself.
    Usage = 2,
    /// The policy was refused, or failed to decide.
    Policy = 3,
    /// The server could not be reached; for `serve`, the Redis of its queue.
    Unreachable = 4,
}

impl Code {
    /// All of them, for the test that compares them with the help.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [
        Self::Done,
        Self::Failed,
        Self::Usage,
        Self::Policy,
        Self::Unreachable,
    ];
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) code: Code,
    pub(crate) error: anyhow::Error,
}

impl Failure {
    /// Ends the command with `code`.
    pub(crate) fn new(code: Code, error: impl Into<anyhow::Error>) -> Self {
        let error = error.into();
        Self { code, error }
    }

    /// A wrong command line or configuration.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Code::Usage, anyhow::Error::msg(message.into()))
    }

    /// A policy that was refused or failed.
    pub(crate) fn policy(message: impl Into<String>) -> Self {
        Self::new(Code::Policy, anyhow::Error::msg(message.into()))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(Code::Failed, error)
    }
}

/// What a command answers.
pub(crate) type Outcome = Result<(), Failure>;

/// Prints why a command failed and answers its exit code.
pub(crate) fn report(outcome: Outcome) -> ExitCode {
    let Err(failure) = outcome else {
        return ExitCode::from(Code::Done as u8);
    };
    // `larder policies | head` closes the pipe early, which is no failure of ours.
    if is_closed_pipe(&failure.error) {
        return ExitCode::from(Code::Done as u8);
    }
    let text = format!("{:#}", failure.error);
    // What cites a file ends in a line break of its own.
    eprintln!("error: {}", text.trim_end());
    ExitCode::from(failure.code as u8)
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
