//! What to try, each a line to paste into another terminal.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use crate::shell;

/// The two ttls between which the policy is changed; the second demo in one folder changes back.
const TTLS: [&str; 2] = ["hours(1)", "minutes(2)"];

/// The four things to try with the demo that listens at `data` and `admin` and lives in `dir`, an
/// absolute path, so that the lines work in whatever folder they are pasted.
pub(super) fn to_try(data: SocketAddr, admin: SocketAddr, dir: &Path) -> String {
    let source = dir.join("standard/src/lib.rs");
    let change = change(&fs::read_to_string(&source).unwrap_or_default());
    let (source, file) = (shell::quoted(&dir.join("standard")), shell::quoted(&source));
    let policies = shell::quoted(&dir.join("policies"));
    let larder = shell::this_program();
    let server = format!("http://{data}");
    let json = "-H 'content-type: application/json'";
    let decide = format!(
        "curl -s {server}/v1/decide {json} -d \
         '{{\"request\": {{\"operation\": \"read\", \"resource\": \"product\", \"id\": \"42\"}}}}'"
    );
    // The folder is watched, but how long a module takes to load is the machine's matter.
    let reload =
        format!("curl -s -o /dev/null -X POST http://{admin}/v1/policies/catalogue/reload");
    let entry = format!("{server}/v1/entries/product/42");
    let shown = "grep -iE '^cache-status|^age|price'";
    format!(
        "
larder serves {server} from {dir}. Four things to try in another terminal:

1. Ask for a decision: key, ttl, tags and the reason, without acting on it

{decide}; echo

2. Read twice: Cache-Status says fwd=uri-miss, then hit

curl -si -w '\\n' {entry} {entry} | {shown}

3. Write a new price: the entry is invalidated, so the next read loads the new price

curl -s -X PUT {entry} {json} -d '{{\"price\": 1.99}}'; echo; curl -si -w '\\n' {entry} | {shown}

4. Change one line of the policy, its ttl, and see ttl_ms in the next decision change. This compiles
   the policy, so it needs Rust (https://rustup.rs). The first time compiles the SDK as well and takes
   half a minute to a minute; from then on it is a few seconds

sed -i.bak -e 's/{change}/' {file} && {larder} build {source} --out {policies} && {reload} && \
{decide} | grep -o '\"ttl_ms\":[0-9]*'

Ctrl-C stops.
",
        dir = dir.display(),
    )
}

/// What sed replaces, and by what.
fn change(source: &str) -> String {
    let [first, second] = TTLS;
    if source.contains(first) || !source.contains(second) {
        format!("{first}/{second}")
    } else {
        format!("{second}/{first}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_to_try_is_one_line() {
        let [data, admin] = [7117, 7118].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let text = to_try(data, admin, Path::new("/tmp/my demo"));
        let lines: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("curl ") || line.starts_with("sed "))
            .collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(
            lines[3].contains("'/tmp/my demo/standard/src/lib.rs'"),
            "{text}"
        );
        assert!(
            lines
                .iter()
                .all(|line| line.contains("http://127.0.0.1:7117/v1/")),
            "{text}"
        );
    }

    #[test]
    fn a_second_demo_changes_the_policy_back() {
        for (source, expected) in [
            ("ttl = hours(1)", "hours(1)/minutes(2)"),
            ("ttl = minutes(2)", "minutes(2)/hours(1)"),
            ("", "hours(1)/minutes(2)"),
        ] {
            assert_eq!(change(source), expected);
        }
    }
}
