//! The live bans, and what they say of an entry.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use larder_core::dependency::{Mode, Verdict};
use larder_core::{Pattern, Timestamp};
use parking_lot::Mutex;

/// A ban that is in place until nothing from before it can be there any more.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ban {
    pub(crate) id: Arc<str>,
    /// Its number. Entries carry the last number from before their load.
    pub(crate) number: u64,
    pub(crate) pattern: Pattern,
    pub(crate) mode: Mode,
    pub(crate) at: Timestamp,
}

/// All live bans as they were under one number of the list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Bans {
    /// No ban so far has a higher one; it changes with every change of the list.
    pub(crate) number: u64,
    pub(crate) all: Vec<Ban>,
    /// The last ban that another build wrote in a form of its own, 0 if there is none. Nobody
    /// here knows what it matches, so it matches everything.
    pub(crate) unread: u64,
}

impl Bans {
    /// What the bans say of an entry whose load came after the ban `known`.
    pub(crate) fn judge(
        &self,
        logical: &str,
        known: u64,
    ) -> impl Iterator<Item = Verdict> + use<'_> {
        // The list lost bans that the entry's load knew of, so it may have lost others.
        let lost = known > self.number || known < self.unread;
        let lost = lost.then_some(Verdict::Gone);
        let logical: Box<str> = if self.all.is_empty() {
            Box::default()
        } else {
            logical.into()
        };
        let newer = move |ban: &&Ban| ban.number > known && ban.pattern.matches(&logical);
        let live = self.all.iter().filter(newer).map(|ban| match ban.mode {
            Mode::Purge => Verdict::Gone,
            Mode::Expire => Verdict::ExpiredAt(ban.at),
        });
        lost.into_iter().chain(live)
    }

    /// The number of the last live ban that matches, 0 if none does.
    pub(crate) fn last(&self, logical: &str) -> u64 {
        let matching = |ban: &&Ban| ban.pattern.matches(logical);
        let numbers = self.all.iter().filter(matching).map(|ban| ban.number);
        numbers.max().unwrap_or(0).max(self.unread)
    }

    /// The list from the fields of its hash, and the names of those that cannot be read.
    pub(crate) fn of_fields(fields: Vec<(String, String)>) -> (Self, Vec<String>) {
        let (mut bans, mut unread) = (Self::default(), Vec::new());
        for (id, text) in fields {
            if id == "seq" {
                bans.number = text.parse().unwrap_or(0);
                continue;
            }
            match Ban::parse(&id, &text) {
                Some(ban) => bans.all.push(ban),
                None => {
                    let number = text.split(' ').next().and_then(|n| n.parse().ok());
                    bans.unread = bans.unread.max(number.unwrap_or(1));
                    unread.push(id);
                }
            }
        }
        (bans, unread)
    }
}

impl Ban {
    /// What is kept of a ban beside its number.
    pub(crate) fn text(pattern: &Pattern, mode: Mode, at: Timestamp) -> String {
        let mut text = format!("{} {} ", mode.as_str(), at.0);
        for part in [pattern.tenant(), pattern.namespace(), pattern.glob()] {
            text.push_str(&format!("{}:{part}", part.len()));
        }
        text
    }

    fn parse(id: &str, text: &str) -> Option<Self> {
        let (number, text) = text.split_once(' ')?;
        let (mode, text) = text.split_once(' ')?;
        let (at, mut text) = text.split_once(' ')?;
        let mode = [Mode::Purge, Mode::Expire]
            .into_iter()
            .find(|known| known.as_str() == mode)?;
        let mut part = || {
            let (length, rest) = text.split_once(':')?;
            let length = length
                .parse()
                .ok()
                .filter(|at| rest.is_char_boundary(*at))?;
            let (part, rest) = rest.split_at(length);
            text = rest;
            Some(part)
        };
        let (tenant, namespace, glob) = (part()?, part()?, part()?);
        Some(Self {
            id: id.into(),
            number: number.parse().ok()?,
            pattern: Pattern::new(tenant, namespace, glob).ok()?,
            mode,
            at: Timestamp(at.parse().ok()?),
        })
    }
}

/// The list as this node read it last.
#[derive(Default)]
pub(crate) struct Known {
    asked: AtomicU64,
    last: Mutex<(u64, Arc<Bans>)>,
}

impl Known {
    pub(crate) fn get(&self) -> Arc<Bans> {
        Arc::clone(&self.last.lock().1)
    }

    /// The turn of a question that is about to be asked.
    pub(crate) fn ask(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes the answer to a question, unless that to a later one came first. Numbers say nothing
    /// here: a list that was lost begins anew, perhaps below.
    pub(crate) fn answered(&self, turn: u64, bans: &Arc<Bans>) {
        let mut last = self.last.lock();
        if turn > last.0 {
            *last = (turn, Arc::clone(bans));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(number: u64, glob: &str, mode: Mode) -> Ban {
        Ban {
            id: "x".into(),
            number,
            pattern: Pattern::new("t", "n", glob).expect("a pattern"),
            mode,
            at: Timestamp(5),
        }
    }

    #[test]
    fn bans_come_back_as_they_were() {
        let pattern = Pattern::new("a:7 ", "ü\n", "*:x ?").expect("a pattern");
        for mode in [Mode::Purge, Mode::Expire] {
            let text = format!("12 {}", Ban::text(&pattern, mode, Timestamp(5)));
            let expected = Ban {
                pattern: pattern.clone(),
                ..ban(12, "x", mode)
            };
            let fields = [("seq", "13"), ("x", &*text), ("y", "11 new: words")];
            let fields = fields.map(|(name, text)| (name.to_owned(), text.to_owned()));
            let (bans, unread) = Bans::of_fields(fields.into());
            assert_eq!((bans.number, bans.all), (13, vec![expected]));
            assert_eq!((bans.unread, unread), (11, vec!["y".to_owned()]));
        }
    }

    #[test]
    fn damaged_bans_are_no_bans() {
        let whole = format!(
            "12 {}",
            Ban::text(
                &ban(1, "ü*", Mode::Purge).pattern,
                Mode::Purge,
                Timestamp(5)
            )
        );
        for end in (0..whole.len()).filter(|end| whole.is_char_boundary(*end)) {
            assert!(Ban::parse("x", &whole[..end]).is_none_or(|ban| ban.pattern.glob() != "ü*"));
        }
    }

    #[test]
    fn only_entries_from_before_a_ban_are_reached() {
        let bans = Bans {
            number: 9,
            all: vec![ban(5, "a*", Mode::Purge), ban(7, "ab*", Mode::Expire)],
            unread: 2,
        };
        let expired = Verdict::ExpiredAt(Timestamp(5));
        for (key, known, expected) in [
            ("a", 4, vec![Verdict::Gone]),
            ("a", 5, vec![]),
            ("ab", 4, vec![Verdict::Gone, expired]),
            ("ab", 6, vec![expired]),
            ("ab", 9, vec![]),
            ("b", 2, vec![]),
            ("b", 1, vec![Verdict::Gone]),
            ("b", 10, vec![Verdict::Gone]),
        ] {
            let logical = format!("t:n:{key}");
            let answer: Vec<_> = bans.judge(&logical, known).collect();
            assert_eq!(answer, expected, "{key} {known}");
        }
        assert_eq!((bans.last("t:n:ab"), bans.last("t:n:b")), (7, 2));
    }

    #[test]
    fn an_answer_that_was_overtaken_is_not_taken() {
        let known = Known::default();
        let (first, second) = (known.ask(), known.ask());
        let bans = |number| {
            Arc::new(Bans {
                number,
                ..Bans::default()
            })
        };
        known.answered(second, &bans(2));
        known.answered(first, &bans(1));
        assert_eq!(known.get().number, 2);
        known.answered(known.ask(), &bans(1));
        assert_eq!(known.get().number, 1, "the list was lost");
    }
}
