//! The queue in words and columns.

use std::time::{Duration, UNIX_EPOCH};

use larder_server::wire::queue::{LetterReply, LettersDone, LettersReply, QueueReply};

use crate::table::columns;

/// The end of the year 9999, in milliseconds since 1970.
const YEAR_10000_MS: u64 = 253_402_300_800_000;

pub(super) fn status(queue: &QueueReply) -> String {
    let lag = queue.lag_ms.map_or("-".to_owned(), span);
    let mut rows = vec![
        ["level".to_owned(), queue.level.clone()],
        ["place".to_owned(), queue.place.clone()],
        ["can lose".to_owned(), queue.can_lose.clone()],
        ["waiting".to_owned(), queue.waiting.to_string()],
        ["bytes".to_owned(), queue.bytes.to_string()],
        ["oldest".to_owned(), lag],
        ["dead letters".to_owned(), queue.dead.to_string()],
        ["parked rows".to_owned(), queue.parked.to_string()],
    ];
    let origins = queue.origins.iter();
    rows.extend(origins.map(|one| {
        let waiting = match &one.failing {
            None => one.waiting.to_string(),
            Some(why) => format!("{}, not flushed now: {why}", one.waiting),
        };
        [format!("for {}", one.origin), waiting]
    }));
    columns(&rows)
}

pub(super) fn letters(reply: &LettersReply) -> String {
    if reply.letters.is_empty() {
        return "no dead letters\n".to_owned();
    }
    let head = ["ID", "WHAT", "RESOURCE", "TENANT", "QUEUED", "WHY"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(reply.letters.iter().map(|letter| {
        [
            letter.id.clone(),
            letter.operation.clone(),
            format!("{}/{}", letter.resource, letter.item),
            letter.tenant.clone(),
            moment(letter.queued_at_ms),
            letter.why.clone(),
        ]
    }));
    let mut text = columns(&rows);
    if let Some(next) = &reply.next {
        text.push_str(&format!("\nmore with --after {next}\n"));
    }
    text
}

pub(super) fn letter(letter: &LetterReply) -> String {
    let mut rows = vec![
        ["id".to_owned(), letter.id.clone()],
        ["what".to_owned(), letter.operation.clone()],
        [
            "resource".to_owned(),
            format!("{}/{}", letter.resource, letter.item),
        ],
        ["key".to_owned(), letter.key.clone()],
        ["queued".to_owned(), moment(letter.queued_at_ms)],
        ["given up".to_owned(), moment(letter.died_at_ms)],
        ["why".to_owned(), letter.why.clone()],
        ["operation".to_owned(), letter.idempotency_key.clone()],
    ];
    if !letter.tenant.is_empty() {
        rows.insert(3, ["tenant".to_owned(), letter.tenant.clone()]);
    }
    if letter.operation == "write" {
        let kind = letter.content_type.as_deref().unwrap_or("unknown type");
        let size = format!("{} bytes, {kind}", letter.bytes);
        rows.push(["size".to_owned(), size]);
    }
    let mut text = columns(&rows);
    match &letter.value {
        Some(value) => text.push_str(&format!("\n{value}\n")),
        None if letter.encrypted => text.push_str("\nthe value is encrypted and not shown\n"),
        None => {}
    }
    text
}

pub(super) fn retried(done: &LettersDone) -> String {
    format!("put back: {}\n", count(done.letters))
}

pub(super) fn dropped(done: &LettersDone) -> String {
    format!("dropped for good: {}\n", count(done.letters))
}

fn count(letters: u64) -> String {
    match letters {
        1 => "1 dead letter".to_owned(),
        many => format!("{many} dead letters"),
    }
}

/// As a person reads it: what is beyond seconds loses its milliseconds.
fn span(ms: u64) -> String {
    let kept = if ms < 10_000 { ms } else { ms - ms % 1_000 };
    humantime::format_duration(Duration::from_millis(kept)).to_string()
}

/// UTC, to the second.
fn moment(ms: u64) -> String {
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    // Its own formatting fails beyond the year 9999, and the number comes over the network.
    let readable = at.filter(|_| ms < YEAR_10000_MS);
    readable.map_or_else(
        || format!("{ms} ms after 1970"),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use larder_server::wire::queue::OriginDepth;

    #[test]
    fn moments_are_dates() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_764_069_659_999, "2025-11-25T11:20:59Z"),
            (u64::MAX, "18446744073709551615 ms after 1970"),
        ] {
            assert_eq!(moment(ms), expected);
        }
    }

    #[test]
    fn the_state_says_what_is_waited_for() {
        let origin = |origin: &str, failing: Option<&str>| OriginDepth {
            origin: origin.to_owned(),
            waiting: 2,
            failing: failing.map(str::to_owned),
        };
        let text = status(&QueueReply {
            level: "local".to_owned(),
            place: "./queue".to_owned(),
            can_lose: "It is lost with the disk.".to_owned(),
            waiting: 4,
            bytes: 100,
            lag_ms: Some(16_170),
            dead: 0,
            parked: 0,
            origins: vec![
                origin("shop", Some("the origin failed")),
                origin("stock", None),
            ],
        });
        for row in [
            "oldest        16s",
            "for shop      2, not flushed now: the origin failed",
            "for stock     2",
        ] {
            assert!(text.lines().any(|line| line.trim_end() == row), "{text}");
        }
    }

    fn poison() -> LetterReply {
        LetterReply {
            id: "shop/3/17".to_owned(),
            operation: "write".to_owned(),
            tenant: String::new(),
            resource: "product".to_owned(),
            item: "42".to_owned(),
            key: ":product:product:42".to_owned(),
            queued_at_ms: 0,
            died_at_ms: 1_000,
            why: "the origin refused the request: price must be positive".to_owned(),
            idempotency_key: "a-1".to_owned(),
            bytes: 12,
            content_type: Some("application/json".to_owned()),
            encrypted: false,
            value: Some("{\"price\":-1}".to_owned()),
        }
    }

    #[test]
    fn a_letter_says_what_why_and_where_it_goes_on() {
        let list = letters(&LettersReply {
            letters: vec![poison()],
            next: Some("shop/3/17".to_owned()),
        });
        assert!(list.contains("price must be positive"), "{list}");
        assert!(list.contains("--after shop/3/17"), "{list}");
        let whole = letter(&poison());
        assert!(whole.contains("12 bytes, application/json"), "{whole}");
        assert!(whole.ends_with("\n\n{\"price\":-1}\n"), "{whole}");
        let hidden = letter(&LetterReply {
            encrypted: true,
            value: None,
            ..poison()
        });
        assert!(hidden.contains("encrypted and not shown"), "{hidden}");
    }
}
