//! `larder invalidate`: makes entries of a server stale.

mod progress;

use hyper::Method;
use larder::core::dependency::Mode;
use larder_server::wire::{
    FoundReply, InvalidateReply, InvalidateRequest, KeyName, PatternName, RowName,
};

use crate::client::{self, read};
use crate::exit::{Failure, Outcome};
use crate::output::{print, print_json};
use crate::secret::TokenArg;

/// Arguments of `larder invalidate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A row is named as in requests, and its policy says what a change of it makes stale. Namespace, key and
tags are those of the decision; `larder decide` and `POST /v1/decide` show them.

Example:
  larder invalidate --row product/42 --row 'product/50%'
  larder invalidate --key product/product:42
  larder invalidate --tag product --tag catalogue --mode expire
  larder invalidate --namespace product --tenant acme
  larder invalidate --pattern 'product/product:4*'

A pattern holds at once; on a shared store its entries are then got rid of one by one, and the
command waits for that and shows how far it is.

Ends with 4 if no server answers.")]
pub(crate) struct Args {
    /// The data plane of the server
    #[arg(
        long,
        value_name = "URL",
        env = "LARDER_SERVER",
        default_value = "http://127.0.0.1:7117"
    )]
    server: String,
    /// What a write of the row would make stale, as its resource and id; may be given more than once
    #[arg(long = "row", value_name = "RESOURCE/ID", value_parser = row)]
    rows: Vec<(String, String)>,
    /// One entry, as its namespace and key; may be given more than once
    #[arg(long = "key", value_name = "NAMESPACE/KEY", value_parser = key)]
    keys: Vec<(String, String)>,
    /// Every entry that carries the tag; may be given more than once
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Every entry of the namespace; may be given more than once
    #[arg(long = "namespace", value_name = "NAMESPACE")]
    namespaces: Vec<String>,
    /// Every key of a namespace that matches, `*` for any run of characters and `?` for one; may be
    /// given more than once
    #[arg(long = "pattern", value_name = "NAMESPACE/GLOB", value_parser = key)]
    patterns: Vec<(String, String)>,
    /// Do not wait until everything that patterns match is gone
    #[arg(long)]
    no_wait: bool,
    /// Whose entries
    #[arg(long, default_value = "")]
    tenant: String,
    /// purge: the next read loads. expire: the stale windows begin, so that a failing origin is
    /// still covered
    #[arg(long, default_value = "purge")]
    mode: ModeArg,
    #[command(flatten)]
    token: TokenArg,
    /// Print the server's own answer
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ModeArg {
    Purge,
    Expire,
}

/// Sends the invalidation and says what was done.
pub(crate) fn run(args: Args) -> Outcome {
    let by_name = args.rows.len() + args.keys.len() + args.tags.len();
    if by_name + args.namespaces.len() + args.patterns.len() == 0 {
        return Err(Failure::usage(
            "nothing to invalidate: give --row, --key, --tag, --namespace or --pattern; `larder \
             invalidate --help` has examples",
        ));
    }
    let (server, json, no_wait) = (args.server.clone(), args.json, args.no_wait);
    let token = args.token.header()?;
    let body = serde_json::to_vec(&request(args)).map_err(anyhow::Error::from)?;
    let answer = client::call(&server, token.clone(), Method::POST, "/v1/invalidate", body)?;
    let mut reply: InvalidateReply = read(&answer)?;
    if !no_wait {
        let waiting = std::mem::take(&mut reply.sweeps);
        for sweep in waiting {
            let end = progress::wait(&server, &token, &sweep)?;
            reply.removed += end.removed;
            if !end.complete {
                reply.sweeps.push(sweep);
            }
        }
        reply.complete = reply.sweeps.is_empty();
    }
    if json {
        print_json(&reply)
    } else {
        print(&summary(&reply))
    }?;
    Ok(())
}

fn request(args: Args) -> InvalidateRequest {
    let keys = args.keys.into_iter();
    let patterns = args.patterns.into_iter();
    let rows = args.rows.into_iter();
    InvalidateRequest {
        tenant: args.tenant,
        rows: rows
            .map(|(resource, id)| RowName { resource, id })
            .collect(),
        keys: keys
            .map(|(namespace, key)| KeyName { namespace, key })
            .collect(),
        tags: args.tags,
        namespaces: args.namespaces,
        patterns: patterns
            .map(|(namespace, pattern)| PatternName { namespace, pattern })
            .collect(),
        mode: match args.mode {
            ModeArg::Purge => Mode::Purge,
            ModeArg::Expire => Mode::Expire,
        },
    }
}

fn summary(reply: &InvalidateReply) -> String {
    let did = match reply.mode {
        Mode::Purge => "removed",
        Mode::Expire => "made stale",
    };
    let mut text = format!(
        "{did}: {} by row, key and pattern, and all that carries {}\n",
        count(reply.removed, "entry", "entries"),
        count(reply.bumped, "tag or namespace", "tags and namespaces"),
    );
    for unknown in unknown(&reply.found) {
        text.push_str(&unknown);
        text.push('\n');
    }
    if !reply.complete {
        text.push_str("entries that match are not served any more; getting rid of them goes on\n");
    }
    text
}

fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A line for each name of which there was nothing: it may be misspelled.
fn unknown(found: &FoundReply) -> Vec<String> {
    let rows = found.rows.iter().filter(|one| !one.known);
    let keys = found.keys.iter().filter(|one| one.removed == 0);
    let tags = found.tags.iter().filter(|one| !one.known);
    let namespaces = found.namespaces.iter().filter(|one| !one.known);
    let rows = rows.map(|one| format!("nothing is known of the row {}/{}", one.resource, one.id));
    let keys = keys.map(|one| {
        format!(
            "there was no entry under the key {}/{}",
            one.namespace, one.key
        )
    });
    let tags = tags.map(|one| format!("no entry carries the tag {}", one.name));
    let namespaces = namespaces.map(|one| format!("no entry is in the namespace {}", one.name));
    rows.chain(keys).chain(tags).chain(namespaces).collect()
}

fn row(text: &str) -> Result<(String, String), String> {
    split(text).ok_or_else(|| "write RESOURCE/ID, such as product/42".to_owned())
}

fn key(text: &str) -> Result<(String, String), String> {
    split(text).ok_or_else(|| "write NAMESPACE/KEY, such as product/product:42".to_owned())
}

/// The texts before and after the first slash, where there are both.
fn split(text: &str) -> Option<(String, String)> {
    let (first, rest) = text.split_once('/')?;
    let both = !first.is_empty() && !rest.is_empty();
    both.then(|| (first.to_owned(), rest.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_unknown_is_said() {
        let reply = serde_json::json!({
            "mode": "purge", "bumped": 3, "removed": 1, "banned": 0, "complete": true,
            "sweeps": [],
            "found": {
                "rows": [{"resource": "product", "id": "50%", "removed": 1, "known": true},
                         {"resource": "product", "id": "a/b", "removed": 0, "known": false}],
                "keys": [{"namespace": "n", "key": "k", "removed": 0}],
                "tags": [{"name": "a", "known": true}, {"name": "b", "known": false}],
                "namespaces": [{"name": "c", "known": false}],
            },
        });
        let reply: InvalidateReply = serde_json::from_value(reply).unwrap();
        assert_eq!(
            summary(&reply),
            "removed: 1 entry by row, key and pattern, and all that carries 3 tags and namespaces\n\
             nothing is known of the row product/a/b\n\
             there was no entry under the key n/k\n\
             no entry carries the tag b\n\
             no entry is in the namespace c\n"
        );
    }

    #[test]
    fn an_answer_of_a_server_from_before_is_read() {
        let reply = serde_json::json!({
            "mode": "expire", "bumped": 1, "removed": 2, "banned": 0, "complete": true,
            "sweeps": [],
        });
        let reply: InvalidateReply = serde_json::from_value(reply).unwrap();
        assert!(
            summary(&reply).starts_with("made stale: 2 entries"),
            "{reply:?}"
        );
    }

    #[test]
    fn keys_are_split_at_the_first_slash() {
        let pair = |namespace: &str, key: &str| (namespace.to_owned(), key.to_owned());
        assert_eq!(key("product/product:42"), Ok(pair("product", "product:42")));
        assert_eq!(key("page/a/b"), Ok(pair("page", "a/b")));
        assert_eq!(row("page/a/b"), Ok(pair("page", "a/b")));
        for wrong in ["product:42", "/x", "x/", ""] {
            assert!(key(wrong).is_err() && row(wrong).is_err(), "{wrong}");
        }
    }
}
