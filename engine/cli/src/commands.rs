//! The commands, one file each.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod decide;
pub(crate) mod demo;
pub(crate) mod invalidate;
pub(crate) mod key;
pub(crate) mod new;
pub(crate) mod policies;
pub(crate) mod queue;
pub(crate) mod reload;
pub(crate) mod serve;
mod subject;
pub(crate) mod token;

use crate::args::Command;
use crate::exit::Outcome;

/// Runs one command to its end.
pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Demo(args) => demo::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::New(args) => new::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Decide(args) => decide::run(args),
        Command::Token(args) => token::run(args),
        Command::Key(args) => key::run(args),
        Command::Policies(args) => policies::run(&args),
        Command::Invalidate(args) => invalidate::run(args),
        Command::Queue(args) => queue::run(&args),
        Command::Reload(args) => reload::run(&args),
        Command::Config(args) => config::run(&args),
    }
}
