//! `larder queue`: the write-behind queue of a server, and its dead letters.

mod shown;

use clap::Subcommand;
use larder::store::queue::LetterId;
use larder_server::wire::queue::{LettersDone, LettersRequest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::admin::Admin;
use crate::client::read;
use crate::exit::Outcome;
use crate::output::{print, print_json};

/// Arguments of `larder queue`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A write that its origin refuses for good, because of what it says, becomes a dead letter. Its row is
parked: later writes of the row follow it, so that their order holds, and other rows go on. Reads
answer what was acknowledged all the while. Correct what the origin refuses and `retry`, or give the
write up with `drop`. So does one that cannot be read, as its bytes are damaged or those of another
version: `drop` it, or let a build that reads it `retry`.

Example:
  larder queue status
  larder queue dead
  larder queue show shop/3/1764069600000000
  larder queue retry --all
  larder queue drop shop/3/1764069600000000

Ends with 4 if no server answers.")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    server: Admin,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show how much waits, for how long, and what an acknowledged write can be lost by
    Status,
    /// List the dead letters, oldest first
    Dead {
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
        /// Those after this one
        #[arg(long, value_name = "ID")]
        after: Option<LetterId>,
    },
    /// Show one dead letter, with its value where that is a text and not encrypted
    Show {
        /// As `larder queue dead` lists it
        #[arg(value_name = "ID")]
        id: LetterId,
    },
    /// Put dead letters back to where they were, and with each the others of its row
    Retry(Which),
    /// Give dead letters up for good: these acknowledged writes are lost
    Drop(Which),
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// One, as `larder queue dead` lists it
    #[arg(value_name = "ID")]
    id: Option<LetterId>,
    /// All of them
    #[arg(long)]
    all: bool,
}

/// Asks the server, and prints what it says.
pub(crate) fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Status => tell(args, "/v1/queue", shown::status),
        What::Dead { limit, after } => {
            let after = after.as_ref().map(|id| format!("&after={}", in_path(id)));
            let after = after.unwrap_or_default();
            let path = format!("/v1/queue/letters?limit={limit}{after}");
            tell(args, &path, shown::letters)
        }
        What::Show { id } => tell(
            args,
            &format!("/v1/queue/letters/{}", in_path(id)),
            shown::letter,
        ),
        What::Retry(which) => act(args, "retry", which, shown::retried),
        What::Drop(which) => act(args, "drop", which, shown::dropped),
    }
}

fn tell<T: DeserializeOwned + Serialize>(
    args: &Args,
    path: &str,
    shown: fn(&T) -> String,
) -> Outcome {
    let answer = args.server.get(path)?;
    show(args, &answer, shown)
}

fn act(args: &Args, verb: &str, which: &Which, shown: fn(&LettersDone) -> String) -> Outcome {
    let asked = LettersRequest {
        id: which.id.as_ref().map(ToString::to_string),
        all: which.all,
    };
    let body = serde_json::to_vec(&asked).map_err(anyhow::Error::from)?;
    let path = format!("/v1/queue/letters/{verb}");
    let answer = args.server.post(&path, body)?;
    show(args, &answer, shown)
}

fn show<T: DeserializeOwned + Serialize>(
    args: &Args,
    answer: &[u8],
    shown: fn(&T) -> String,
) -> Outcome {
    let reply: T = read(answer)?;
    match args.server.json {
        true => print_json(&reply),
        false => print(&shown(&reply)),
    }
}

/// An id as a part of an address. The names of origins are free text.
fn in_path(id: &LetterId) -> String {
    const ESCAPED: AsciiSet = NON_ALPHANUMERIC
        .remove(b'/')
        .remove(b'-')
        .remove(b'_')
        .remove(b'.');
    utf8_percent_encode(&id.to_string(), &ESCAPED).to_string()
}
