//! `larder policies`: what a server runs, and what an operator chooses of it.

mod shown;

use clap::Subcommand;
use larder_server::wire::PinRequest;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use self::shown::Policy;
use crate::admin::Admin;
use crate::exit::Outcome;

/// Arguments of `larder policies`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A server keeps the latest three builds of each policy that served, in the folder `state` of
[policies]. `rollback` and `pin` choose one of them, and that holds whatever comes into the folder of
the policies, restarts of the server included, until `unpin` lets the file there serve again.

Example:
  larder policies
  larder policies rollback catalogue
  larder policies pin catalogue sha256:5f2b1c0d9a3e
  larder policies unpin catalogue
  larder policies list --admin http://10.0.0.5:7118 --json

Ends with 4 if no server answers.")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    server: Admin,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the policies, and the builds that can be gone back to; done where nothing else is named
    List,
    /// Let the build before the serving one serve, and pin it
    Rollback {
        /// Its name in the configuration
        name: String,
    },
    /// Let a kept build serve and nothing else
    Pin {
        /// Its name in the configuration
        name: String,
        /// As `larder policies` lists it
        revision: String,
    },
    /// Let the file in the folder serve again
    Unpin {
        /// Its name in the configuration
        name: String,
    },
    /// Look at the file in the folder now, even if it has failed before
    Reload {
        /// Its name in the configuration
        name: String,
    },
}

/// Asks the server, and prints what it says.
pub(crate) fn run(args: &Args) -> Outcome {
    match &args.what {
        None | Some(What::List) => list(args),
        Some(What::Rollback { name }) => act(args, name, "rollback", Vec::new()),
        Some(What::Reload { name }) => act(args, name, "reload", Vec::new()),
        Some(What::Pin { name, revision }) => act(args, name, "pin", pin(Some(revision))?),
        Some(What::Unpin { name }) => act(args, name, "pin", pin(None)?),
    }
}

fn pin(revision: Option<&String>) -> anyhow::Result<Vec<u8>> {
    let revision = revision.cloned();
    Ok(serde_json::to_vec(&PinRequest { revision })?)
}

fn list(args: &Args) -> Outcome {
    let answer = args.server.get("/v1/policies")?;
    let shown = |policies: &Vec<Policy>| shown::all(policies);
    args.server.show(&answer, shown)
}

fn act(args: &Args, name: &str, action: &str, body: Vec<u8>) -> Outcome {
    let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
    let path = format!("/v1/policies/{name}/{action}");
    let answer = args.server.post(&path, body)?;
    args.server.show(&answer, shown::one)
}
