//! What a person types.

use clap::{Parser, Subcommand};

use crate::commands::{
    build, check, config, decide, demo, invalidate, key, new, policies, queue, reload, serve, token,
};

const AFTER: &str = "\
Start here:
  larder demo                          a running cache over a sample shop, with four things to try
  larder new my-policy                 a policy crate to change
  larder build my-policy --out policies
  larder serve --config larder.toml

Exit codes:
  0  done
  1  it failed; the message says why and what to do
  2  the command line or the configuration is wrong
  3  the policy was refused, or failed to decide
  4  the server could not be reached; for `serve`, the Redis of its queue";

/// A cache whose rules are programs: small WebAssembly policies decide the key, how long a value
/// may be served, its tags, and which caching pattern runs.
#[derive(Debug, Parser)]
#[command(name = "larder", version, after_help = AFTER, arg_required_else_help = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, in the order in which a newcomer meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a sample database, serve it with the policies that ship, and say what to try
    Demo(demo::Args),
    /// Serve as a configuration file says
    Serve(serve::Args),
    /// Make a policy crate that builds and tests as it is
    New(new::Args),
    /// Build a policy crate to a .wasm file, and check it
    Build(build::Args),
    /// Take a .wasm file through the stages that a server takes it through
    Check(check::Args),
    /// Ask a .wasm file for a decision, without a server
    Decide(decide::Args),
    /// Make a token that lets its holder call a server
    Token(token::Args),
    /// Make a key for values that are stored encrypted
    Key(key::Args),
    /// Show the policies of a running server, and choose which of their builds serves
    Policies(policies::Args),
    /// Make entries of a running server stale
    Invalidate(invalidate::Args),
    /// Show the write-behind queue of a running server, and decide on what its origins refused
    Queue(queue::Args),
    /// Let a running server read its configuration again
    Reload(reload::Args),
    /// Say what is wrong with a configuration file, and what can be in one
    Config(config::Args),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_exit_code_is_in_the_help() {
        use crate::exit::Code;
        let help = Args::command().render_help().to_string();
        for code in Code::ALL {
            let line = format!("  {}  ", code as u8);
            assert!(help.contains(&line), "{code:?}: {help}");
        }
    }
}
