//! `larder reload`: a running server reads its configuration again.

use larder_server::wire::ReloadReply;

use crate::admin::Admin;
use crate::exit::Outcome;

/// Arguments of `larder reload`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The server reads its file, its environment and its key ring again. All that can change without a
restart does, in one step: routes, policies and their settings, limits, tokens, the vault, the level
of the log. If anything in it is wrong nothing changes, and all of it is said. SIGHUP does the same,
and says it in the log.

Example:
  larder reload
  larder reload --admin http://10.0.0.5:7118 --json

Ends with 2 if the configuration is wrong, and with 4 if no server answers.")]
pub(crate) struct Args {
    #[command(flatten)]
    server: Admin,
}

/// Tells the server, and prints what it came to.
pub(crate) fn run(args: &Args) -> Outcome {
    let answer = args.server.post("/v1/reload", Vec::new())?;
    args.server.show(&answer, shown)
}

fn shown(reply: &ReloadReply) -> String {
    let mut text = match reply.changed.as_slice() {
        [] => "nothing has changed\n".to_owned(),
        changed => format!("changed: {}\n", changed.join(", ")),
    };
    if !reply.needs_restart.is_empty() {
        let parts = reply.needs_restart.join(", ");
        text.push_str(&format!("needs a restart: {parts}\n"));
    }
    for warning in &reply.warnings {
        text.push_str(&format!("warning: {warning}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_holds_now_and_what_holds_later_are_told_apart() {
        assert_eq!(shown(&ReloadReply::default()), "nothing has changed\n");
        let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let reply = ReloadReply {
            changed: all(&["route", "guard"]),
            needs_restart: all(&["store"]),
            warnings: all(&["w"]),
        };
        assert_eq!(
            shown(&reply),
            "changed: route, guard\nneeds a restart: store\nwarning: w\n"
        );
    }
}
