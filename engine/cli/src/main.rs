//! The binary `larder`: arguments, configuration and one module for each command. What a command
//! does beyond reading its arguments and printing is left to the libraries: serving to
//! `larder-server`, caching to `larder`, judging policy files to `larder-wasm`.
//!
//! | file | concept |
//! |---|---|
//! | `args`, `exit`, `output` | what a person types, and what comes back |
//! | `commands` | one file for each command |
//! | `config` | `larder.toml`, its environment overrides, and what is wrong with it |
//! | `assemble` | from a configuration to an engine |
//! | `keys` | a changed key ring is taken into use |
//! | `build` | a policy crate becomes a `.wasm` file |
//! | `scaffold` | a new policy crate, and a shipped one taken out of the checkout |
//! | `checkout` | where the sources are that this binary was built from |
//! | `sample` | the shop that the demo caches |
//! | `client`, `secret` | calls to a running server, and the token they carry |

mod args;
mod assemble;
mod build;
mod checkout;
mod client;
mod commands;
mod config;
mod exit;
mod keys;
mod logging;
mod output;
mod sample;
mod scaffold;
mod secret;
mod shell;
mod signals;
mod table;
mod units;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    exit::report(commands::run(args::Args::parse().command))
}
