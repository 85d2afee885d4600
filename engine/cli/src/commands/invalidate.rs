//! `larder invalidate`: makes entries of a server stale.

mod progress;

use hyper::Method;
use larder::core::dependency::Mode;
use larder_server::wire::{InvalidateReply, InvalidateRequest, KeyName, PatternName};

use crate::client::{self, read};
use crate::exit::{Failure, Outcome};
use crate::output::{print, print_json};
use crate::secret::TokenArg;

/// Arguments of `larder invalidate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Namespace, key and tags are those of the decision; `larder decide` and `POST /v1/decide` show them.

Example:
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
    let nothing = args.keys.is_empty() && args.tags.is_empty() && args.namespaces.is_empty();
    if nothing && args.patterns.is_empty() {
        return Err(Failure::usage(
            "nothing to invalidate: give --key, --tag, --namespace or --pattern; `larder \
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
    InvalidateRequest {
        tenant: args.tenant,
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
    let count = |n: u64, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let mut text = format!(
        "{did}: {} by key and pattern, and all that carries {}\n",
        count(reply.removed, "entry", "entries"),
        count(reply.bumped, "tag or namespace", "tags and namespaces"),
    );
    if !reply.complete {
        text.push_str("entries that match are not served any more; getting rid of them goes on\n");
    }
    text
}

fn key(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, key)) if !namespace.is_empty() && !key.is_empty() => {
            Ok((namespace.to_owned(), key.to_owned()))
        }
        _ => Err("write NAMESPACE/KEY, such as product/product:42".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_split_at_the_first_slash() {
        let pair = |namespace: &str, key: &str| (namespace.to_owned(), key.to_owned());
        assert_eq!(key("product/product:42"), Ok(pair("product", "product:42")));
        assert_eq!(key("page/a/b"), Ok(pair("page", "a/b")));
        for wrong in ["product:42", "/x", "x/", ""] {
            assert!(key(wrong).is_err(), "{wrong}");
        }
    }
}
