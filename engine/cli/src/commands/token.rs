//! `larder token`: a new token and what the server is told of it.

use anyhow::Context as _;
use larder_server::access::NewToken;
use serde_json::json;

use crate::exit::{Failure, Outcome};
use crate::output::{print, print_json};

/// Arguments of `larder token`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The token is shown once and kept nowhere. Its hash goes into larder.toml, the token itself to the
application, which sends it as `Authorization: Bearer TOKEN`, and to the commands of larder as
LARDER_TOKEN. A token is 32 random bytes, so the hash is a plain SHA-256: there is no guessing it.

Once a plane has a token, every call of it needs one; a plane without one listens on loopback only.
Several may be live at once: to replace one, add the new one, restart, give it out, remove the old.
Larder does not speak TLS; across a network, put something in front of it that does.

A token may be limited on the data plane:
  resources = [\"product*\"]      entries, decisions and leases of these resources only
  operations = [\"read\"]         of read, write, invalidate, decide; leases belong to read
  tenants = [\"acme\"]            these tenants only; \"\" for calls that name none
  invalidate = true             lets a token with `resources` invalidate namespaces and tags
                                whose names match them

Example:
  larder token --name shop")]
pub(crate) struct Args {
    /// Names the token in the server's logs and metrics [default: made from its hash]
    #[arg(long)]
    name: Option<String>,
    /// Print an object with name, token and sha256
    #[arg(long)]
    json: bool,
}

/// Makes a token and prints it.
pub(crate) fn run(args: Args) -> Outcome {
    let token = NewToken::random().context("the system has no random numbers for a token")?;
    let hash = token.hash.to_string();
    let name = match args.name {
        Some(name) if name.is_empty() || name.len() > 64 || name.contains(char::is_control) => {
            return Err(Failure::usage(
                "--name has to be 1 to 64 bytes without control characters",
            ));
        }
        Some(name) => name,
        None => format!("token-{}", hash.get(..8).unwrap_or_default()),
    };
    if args.json {
        return print_json(&json!({"name": name, "token": token.text, "sha256": hash}));
    }
    print(&format!(
        "token, shown only this once:\n\n  {}\n\nfor larder.toml:\n\n{}",
        token.text,
        snippet(&name, &hash)
    ))
}

fn snippet(name: &str, hash: &str) -> String {
    let name = toml::Value::String(name.to_owned());
    format!(
        "[[server.token]]\nname = {name}\nsha256 = \"{hash}\"\nplanes = [\"data\", \"admin\"]\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_makes_right_toml() {
        for name in ["shop", "a \"b\" \\ c", "ü'"] {
            let table: toml::Table = snippet(name, "00").parse().unwrap();
            assert_eq!(table["server"]["token"][0]["name"].as_str(), Some(name));
        }
    }
}
