//! All mistakes of a configuration's text, where reading it stops at the first.

use std::path::Path;

use toml::Table;
use toml::de::Error;

use super::file::File;
use super::{Problems, origin, store};

/// More are not looked for.
const MOST: usize = 20;

/// The mistakes of `text`, the first of which is `first`. Each is taken out, and the rest is read
/// again.
pub(super) fn all(text: &str, first: Error) -> Vec<String> {
    if toml::from_str::<Table>(text).is_err() {
        // Where it is no TOML nobody can say where the next mistake begins.
        return vec![told(&first)];
    }
    let mut rest = text.to_owned();
    let mut mistakes = Vec::new();
    let mut taken: Vec<usize> = Vec::new();
    let mut error = Some(first);
    while let Some(mistake) = error.filter(|_| mistakes.len() + taken.len() < MOST) {
        let Some(at) = mistake.span().map(|span| line_start(&rest, span.start)) else {
            mistakes.push((usize::MAX, told(&mistake)));
            break;
        };
        // What is missing may be what was taken out.
        let missing = mistake.message().starts_with("missing field");
        let table = at..table_end(&rest, at);
        let follows = missing && taken.iter().any(|one| table.contains(one));
        if !follows {
            mistakes.push((at, told(&mistake)));
        }
        let end = match missing || rest[at..].trim_start().starts_with('[') {
            true => table.end,
            false => line_end(&rest, at),
        };
        if rest[at..end].trim().is_empty() {
            break;
        }
        taken.push(at);
        rest.replace_range(at..end, &blank(&rest[at..end]));
        error = toml::from_str::<File>(&rest).err();
    }
    mistakes.sort();
    let mut mistakes: Vec<_> = mistakes.into_iter().map(|(_, told)| told).collect();
    mistakes.extend(later(text, &rest));
    mistakes
}

/// Those of the tables that are read after the others, where the `rest` of the text is right.
fn later(text: &str, rest: &str) -> Vec<String> {
    let mut problems = Problems::of(text);
    if let Ok(file) = toml::from_str::<File>(rest) {
        // Nothing is opened, so it does not matter to what paths are relative.
        origin::read(file.origin, Path::new(""), &mut problems);
        store::read(file.store, Path::new(""), &mut problems);
        if let Some(Err(error)) = file.log.level.as_deref().map(crate::logging::check) {
            problems.add(error.to_string());
        }
    }
    problems.all
}

fn told(error: &Error) -> String {
    error.to_string().trim_end().to_owned()
}

fn line_start(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.rfind('\n').map_or(0, |end| end + 1)
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |end| from + end)
}

/// Where the table ends that begins at `at`.
fn table_end(text: &str, at: usize) -> usize {
    let mut end = line_end(text, at);
    while end < text.len() {
        let next = line_end(text, end + 1);
        if text[end + 1..next].trim_start().starts_with('[') {
            break;
        }
        end = next;
    }
    end
}

/// As long and with as many lines, so that the others keep their places.
fn blank(text: &str) -> String {
    let blank = |byte| if byte == b'\n' { '\n' } else { ' ' };
    text.bytes().map(blank).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistakes(text: &str) -> Vec<String> {
        let error = toml::from_str::<File>(text).expect_err(text);
        all(text, error)
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let text = "[server]\nlisten_on = 'x'\ndrain = '1s'\nadmins = 1\n\n[servr]\na = 1\nb = 2\n\n\
                    [guard]\nttl_max = 'a while'\n[[route]]\nresource = 1\n\
                    [[route]]\nresource = 'a'\n[log]\nlevels = 'x'\n";
        let found = mistakes(text);
        let lines = [
            (2, "listen_on"),
            (4, "admins"),
            (6, "servr"),
            (11, "a while"),
            (13, "invalid type"),
            (14, "missing field `policy`"),
            (17, "levels"),
        ];
        for (line, words) in lines {
            let told = found.iter().find(|one| one.contains(words)).expect(words);
            assert!(told.contains(&format!("line {line},")), "{told}");
        }
        assert_eq!(found.len(), lines.len(), "{found:#?}");
    }

    #[test]
    fn tables_that_are_read_later_are_told_with_the_others() {
        let text = "[server]\ndrain = 1\n[store]\ncapacity = '1GB'\n[origin.a]\ntype = 'http'\n\
                    base_url = 'http://h'\ntimeuot = '1s'\n[log]\nlevel = 'loud'\n";
        let found = mistakes(text).join("\n");
        for words in [
            "line 2,",
            "line 4, `[store]`: `1GB`",
            "line 8, `[origin.a]`: unknown field `timeuot`",
            "`log.level`: `loud` is no level",
        ] {
            assert!(found.contains(words), "`{words}` is not in {found}");
        }
    }

    #[test]
    fn what_follows_from_a_mistake_is_none() {
        assert_eq!(mistakes("[[policy]]\nname = 1\n").len(), 1);
        assert_eq!(mistakes("[guard\n").len(), 1);
        assert_eq!(mistakes("a = [\n1,\n").len(), 1);
    }
}
