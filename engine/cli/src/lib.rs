//! All of the binary `larder`: arguments, configuration and one module for each command. What a
//! command does beyond reading its arguments and printing is left to the libraries: serving to
//! `larder-server`, caching to `larder`, judging policy files to `larder-wasm`.
//!
//! | file | concept |
//! |---|---|
//! | `args`, `exit`, `output` | what a person types, and what comes back |
//! | `commands` | one file for each command |
//! | `config` | `larder.toml`, its environment overrides, and what is wrong with it |
//! | `assemble` | from a configuration to an engine |
//! | `sense` | what can only be said of a configuration with its policies at hand |
//! | `reference` | every field of `larder.toml`, as its types declare it |
//! | `reload` | the configuration is read again while the server runs |
//! | `keys` | a changed key ring is taken into use |
//! | `build` | a policy crate becomes a `.wasm` file |
//! | `scaffold` | a new policy crate, and a shipped one to change |
//! | `embedded` | the policies that ship, and the sources that a crate needs |
//! | `install` | a file is put in place in one step |
//! | `sample` | the shop that the demo caches |
//! | `client`, `admin`, `secret` | calls to a running server, those of operators, and the token they carry |

mod admin;
mod args;
mod assemble;
mod build;
mod client;
mod commands;
mod config;
mod embedded;
mod exit;
mod install;
mod keys;
mod logging;
mod output;
mod reference;
mod reload;
mod sample;
mod scaffold;
mod secret;
mod sense;
mod shell;
mod signals;
mod table;
mod units;

use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

/// Runs what this process was started with, to its exit code.
#[must_use]
pub fn run() -> ExitCode {
    exit::report(commands::run(args::Args::parse().command))
}

/// What is probably not meant in the configuration `text` with its paths in `folder`, overridden
/// by `variables`; for tests that have no file.
///
/// # Errors
/// Says everything that is wrong.
#[doc(hidden)]
pub fn check_config(
    text: &str,
    folder: &Path,
    variables: &[(&str, &str)],
) -> anyhow::Result<Vec<String>> {
    let owned = variables.iter();
    let owned = owned.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = config::Config::parse(text, folder, &config::Overrides::new(owned))?;
    Ok(config.warnings)
}
