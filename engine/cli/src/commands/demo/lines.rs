//! What to try, each a line to paste into another terminal.

use std::net::SocketAddr;
use std::path::Path;

use crate::shell;

/// The four things to try with the demo that listens at `data` and lives in `dir`.
pub(super) fn to_try(data: SocketAddr, dir: &Path) -> String {
    // Pasted from another folder, the lines should work as well.
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let source = shell::quoted(&dir.join("standard"));
    let file = shell::quoted(&dir.join("standard/src/lib.rs"));
    let policies = shell::quoted(&dir.join("policies"));
    let larder = shell::this_program();
    let server = format!("http://{data}");
    let entry = format!("{server}/v1/entries/product/42");
    let json = "-H 'content-type: application/json'";
    let decide = format!(
        "curl -s {server}/v1/decide {json} -d \
         '{{\"request\": {{\"operation\": \"read\", \"resource\": \"product\", \"id\": \"42\"}}}}'; echo"
    );
    let filter = "grep -iE '^cache-status|^age|price'; echo";
    format!(
        "\n\
larder serves {server} from {shown}. Four things to try in another terminal:\n\
\n\
1. Ask for a decision: key, ttl, tags and the reason, without acting on it\n\
\n\
{decide}\n\
\n\
2. Read twice: Cache-Status says fwd=uri-miss, then hit\n\
\n\
curl -si {entry} {entry} | {filter}\n\
\n\
3. Write a new price: the entry is invalidated, so the next read loads the new price\n\
\n\
curl -s -X PUT {entry} {json} -d '{{\"price\": 1.99}}'; echo; curl -si {entry} | {filter}\n\
\n\
4. Change one line of the policy, its ttl, and see ttl_ms in the next decision change\n\
\n\
sed -i.bak -e 's/hours(1)/minutes(2)/' {file} && {larder} build {source} --out {policies} && sleep 1 && {decide}\n\
\n\
Ctrl-C stops.\n",
        shown = dir.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_to_try_is_one_line() {
        let text = to_try("127.0.0.1:7117".parse().unwrap(), Path::new("/tmp/my demo"));
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
}
