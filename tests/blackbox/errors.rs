//! The error reference has every code that an answer can carry, and no other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::workspace::root;

/// Codes by where they are written, with the status where it is written beside them.
type Codes = BTreeMap<String, Option<u16>>;

/// The rows of the tables whose first column is a code.
fn documented() -> BTreeMap<String, u16> {
    let text = std::fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, code, status, what, todo, _] = cells[..] else {
            continue;
        };
        let Some(code) = code
            .strip_prefix('`')
            .and_then(|code| code.strip_suffix('`'))
        else {
            continue;
        };
        assert!(!what.is_empty() && !todo.is_empty(), "{line}");
        let twice = all.insert(code.to_owned(), status.parse().unwrap());
        assert_eq!(twice, None, "`{code}` has two rows");
    }
    all
}

fn sources(dir: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("tests.rs") {
            all.push(path);
        }
    }
}

/// A source without its tests.
fn code_of(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let tests = text.find("#[cfg(test)]\nmod tests {");
    text[..tests.unwrap_or(text.len())].to_owned()
}

/// The literal that `text` begins with, if it has the shape of a code.
fn literal(text: &str) -> Option<&str> {
    let (word, _) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    let shape = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (!word.is_empty() && word.bytes().all(shape)).then_some(word)
}

/// The status that the first argument of `text` names, and what comes after it.
fn status(text: &str) -> (Option<u16>, &str) {
    let (first, rest) = text.split_once(',').unwrap_or((text, ""));
    let number = match first.trim().trim_start_matches("StatusCode::") {
        "BAD_REQUEST" => 400,
        "UNAUTHORIZED" => 401,
        "FORBIDDEN" => 403,
        "NOT_FOUND" => 404,
        "METHOD_NOT_ALLOWED" => 405,
        "CONFLICT" => 409,
        "PRECONDITION_FAILED" => 412,
        "PAYLOAD_TOO_LARGE" => 413,
        "UNSUPPORTED_MEDIA_TYPE" => 415,
        "UNPROCESSABLE_ENTITY" => 422,
        "TOO_MANY_REQUESTS" => 429,
        "INTERNAL_SERVER_ERROR" => 500,
        "NOT_IMPLEMENTED" => 501,
        "BAD_GATEWAY" => 502,
        "SERVICE_UNAVAILABLE" => 503,
        "GATEWAY_TIMEOUT" => 504,
        _ => return (None, rest),
    };
    (Some(number), rest)
}

/// The codes of arms such as `… => ("code", …)` and `… => (StatusCode::…, "code")`.
fn of_arms(text: &str, all: &mut Codes) -> usize {
    let mut found = 0;
    for arm in text.split("=> (").skip(1) {
        let (number, rest) = status(arm);
        let code = literal(arm).or_else(|| number.and_then(|_| literal(rest)));
        if let Some(code) = code {
            all.insert(code.to_owned(), number);
            found += 1;
        }
    }
    found
}

/// The codes of the server's own refusals.
fn of_server() -> Codes {
    let (mut all, mut files) = (Codes::new(), Vec::new());
    sources(&root().join("engine/server/src"), &mut files);
    for file in files.iter().filter(|file| !file.ends_with("problem.rs")) {
        let text = code_of(file);
        let arms = of_arms(&text, &mut all);
        for call in text.split("Problem::new(").skip(1) {
            let (number, rest) = status(call);
            match literal(rest) {
                Some(code) => drop(all.insert(code.to_owned(), number)),
                None => assert!(
                    arms > 0,
                    "{}: write the code where a test sees it",
                    file.display()
                ),
            }
        }
        for call in text.split("Problem::bad(").skip(1) {
            let code = literal(call);
            let code = code.unwrap_or_else(|| panic!("{}: no literal code", file.display()));
            all.insert(code.to_owned(), Some(400));
        }
    }
    all
}

/// The body of a function of a source.
fn body(file: &str, function: &str, end: &str) -> String {
    let text = code_of(&root().join(file));
    let (_, body) = text.split_once(function).unwrap();
    body.split_once(end).unwrap().0.to_owned()
}

/// The variants that a pattern names, from the outermost on.
fn variants(pattern: &str) -> Vec<String> {
    let name = |rest: &str| {
        rest.chars()
            .take_while(char::is_ascii_alphanumeric)
            .collect()
    };
    pattern.split("::").skip(1).map(name).collect()
}

/// Which errors of the engine are answered with which status, in the order in which it is looked
/// for. Without a status the origin's own is answered.
fn statuses() -> Vec<(Vec<String>, Option<u16>)> {
    let body = body("engine/server/src/problem.rs", "fn status_of(", "\n}\n");
    let arms: Vec<&str> = body.split("=>").collect();
    let mut all = Vec::new();
    for pair in arms.windows(2) {
        let from = pair[0].find(" Error::").unwrap();
        let named = pair[1].find("StatusCode::").map(|at| &pair[1][at..]);
        let end =
            |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
        let named = named.map(|text| text[..end(text).unwrap()].to_owned() + ",");
        let number = named.and_then(|named| status(&named).0);
        let patterns = pair[0][from..].split(" Error::").skip(1);
        all.extend(patterns.map(|one| (variants(&format!("::{one}")), number)));
    }
    all
}

/// The codes of the engine's own errors, with the status that the server gives each.
fn of_engine() -> Codes {
    let body = body("engine/runtime/src/error.rs", "fn code(", "\n    }\n");
    let arms: Vec<&str> = body.split("=>").collect();
    let (statuses, mut all) = (statuses(), Codes::new());
    for pair in arms.windows(2) {
        let (error, code) = (variants(pair[0]), literal(pair[1]).unwrap());
        let found = statuses.iter().find(|(one, _)| error.starts_with(one));
        let (_, number) = found.unwrap_or_else(|| panic!("{error:?} has no status"));
        let known = all.entry(code.to_owned()).or_insert(*number);
        *known = known.or(*number);
    }
    all
}

#[test]
fn the_reference_has_each_code_once_with_its_status() {
    let documented = documented();
    let mut written = of_engine();
    assert!(
        written.len() > 20 && written.values().all(Option::is_some),
        "{written:?}"
    );
    assert_eq!(written["no_route"], Some(404));
    written.extend(of_server());
    for known in ["leased", "policy_unchanged", "forbidden", "empty_name"] {
        assert!(
            written.contains_key(known),
            "`{known}` is not seen: {written:?}"
        );
    }
    for (code, status) in &written {
        let row = documented.get(code);
        let row = row.unwrap_or_else(|| panic!("docs/errors.md has no row for `{code}`"));
        assert!(
            status.is_none_or(|status| status == *row),
            "`{code}` is {status:?}, not {row}"
        );
    }
    let gone: Vec<_> = documented
        .keys()
        .filter(|code| !written.contains_key(*code))
        .collect();
    assert!(
        gone.is_empty(),
        "docs/errors.md has rows for what no answer carries: {gone:?}"
    );
}
