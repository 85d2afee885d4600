//! Where the reading of an outbox is, whether it may have missed rows, and which may go.

use std::collections::VecDeque;

use larder_core::Timestamp;
use larder_origin::outbox::{Page, Place};

/// A row stays for this much longer than it has to, as a part of that: clocks run apart.
const MARGIN: u64 = 8;

/// So many places are remembered for each time that rows stay.
const MARKS: u64 = 16;

/// A shorter wait for rows that are held back would be no rest.
const SOON_MS: u64 = 10;

/// When the table was found empty.
#[derive(Clone, Copy, Debug)]
struct Read {
    /// By this node's own clock, which no one sets, in milliseconds since it began.
    here_ms: u64,
    /// By the clock of the database, which does not stand still while this node does.
    there: Timestamp,
}

/// How rows may have been missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missed {
    /// The table had been empty and was not read for longer than rows stay, so some may have come
    /// and gone.
    TooLate {
        /// For how long, in milliseconds.
        after_ms: u64,
    },
    /// The row that was read last is gone, and with it perhaps later ones: rows are removed from the
    /// oldest on.
    Broken,
}

/// The course of one node through an outbox.
#[derive(Debug)]
pub(super) struct Course {
    place: Place,
    keep_ms: u64,
    /// Of use until there is a last row, which tells more; none before the first answer.
    read: Option<Read>,
    /// Places, each with a time of the database by which everything up to it was applied.
    marks: VecDeque<(Timestamp, Place)>,
}

impl Course {
    pub(super) fn new(keep_ms: u64) -> Self {
        Self {
            place: Place::START,
            keep_ms,
            read: None,
            marks: VecDeque::new(),
        }
    }

    /// Where to read on from.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// Whether rows may have been missed before this page, which was asked for and answered then.
    /// Whoever reads on must invalidate everything first.
    pub(super) fn missed(&mut self, page: &Page, asked_ms: u64, now_ms: u64) -> Option<Missed> {
        let present = Read {
            here_ms: asked_ms,
            there: page.now,
        };
        if !page.intact {
            self.place = Place::START;
            self.marks.clear();
            self.read = Some(present);
            return Some(Missed::Broken);
        }
        let last = *self.read.get_or_insert(present);
        if self.place != Place::START {
            return None;
        }
        let here = now_ms.saturating_sub(last.here_ms);
        let after_ms = here.max(page.now.since(last.there));
        if after_ms <= self.keep_ms {
            return None;
        }
        self.read = Some(present);
        Some(Missed::TooLate { after_ms })
    }

    /// Moves on: everything in the page, which was asked for then, is applied.
    pub(super) fn applied(&mut self, page: &Page, asked_ms: u64) {
        if let Some(last) = page.rows.last() {
            self.place = last.place;
        }
        self.read = Some(Read {
            here_ms: asked_ms,
            there: page.now,
        });
        let apart = self.keep_ms / MARKS;
        let due = self
            .marks
            .back()
            .is_none_or(|(at, place)| *place != self.place && page.now.since(*at) >= apart);
        if due && self.place != Place::START {
            self.marks.push_back((page.now, self.place));
        }
    }

    /// Everything before this place was applied so long ago that it may go; that row itself stays,
    /// to tell whether the table is still the same.
    pub(super) fn removable(&self, now: Timestamp) -> Option<Place> {
        let stays_ms = self.keep_ms.saturating_add(self.keep_ms / MARGIN);
        let old = |(at, _): &&(Timestamp, Place)| now.since(*at) > stays_ms;
        let marks = self.marks.iter().take_while(old);
        marks.last().map(|(_, place)| *place)
    }

    /// Everything before this place is removed.
    pub(super) fn removed(&mut self, before: Place) {
        // The newest mark stays: without it the same place would be marked again.
        while self.marks.len() > 1 && self.marks.front().is_some_and(|(_, at)| *at <= before) {
            self.marks.pop_front();
        }
    }
}

/// How long to wait where no hint comes, in milliseconds. Rows that are held back come when a
/// transaction ends, soon as a rule: the younger they are the sooner they are looked for.
pub(super) fn wait_ms(held_ms: Option<u64>, poll_ms: u64) -> u64 {
    match held_ms {
        Some(age) => (age / 4).max(SOON_MS).min(poll_ms),
        None => poll_ms,
    }
}

#[cfg(test)]
mod tests {
    use larder_origin::outbox::Row;

    use super::*;

    const KEEP: u64 = 16_000;

    fn at(id: i64) -> Place {
        Place { transaction: 0, id }
    }

    fn page(now: u64, last: Option<i64>) -> Page {
        let row = |id| Row {
            place: at(id),
            ..Row::default()
        };
        Page {
            rows: last.map(row).into_iter().collect(),
            intact: true,
            now: Timestamp(now),
            held_ms: None,
        }
    }

    /// A course that has read everything at the moment 0 of both clocks.
    fn begun(last: Option<i64>) -> Course {
        let mut course = Course::new(KEEP);
        let first = page(1_000_000, last);
        assert_eq!(course.missed(&first, 0, 0), None);
        course.applied(&first, 0);
        assert_eq!(course.place(), last.map_or(Place::START, at));
        course
    }

    #[test]
    fn rows_of_an_empty_table_may_be_missed_once_they_may_be_gone() {
        for (there, asked, now, missed) in [
            (KEEP, KEEP, KEEP, None),
            (10, KEEP - 1, KEEP + 1, Some(KEEP + 1)),
            // The node stood still, and its clock with it.
            (KEEP + 1, 10, 10, Some(KEEP + 1)),
            // The clock of the database was set back.
            (0, KEEP + 5, KEEP + 5, Some(KEEP + 5)),
        ] {
            let mut course = begun(None);
            let page = page(1_000_000 + there, Some(9));
            let expected = missed.map(|after_ms| Missed::TooLate { after_ms });
            assert_eq!(course.missed(&page, asked, now), expected, "{there} {now}");
            assert_eq!(course.missed(&page, asked, now), None, "it is said once");
        }
    }

    #[test]
    fn no_row_is_missed_while_the_last_one_is_there() {
        let mut course = begun(Some(1));
        let late = page(1_000_000 + 9 * KEEP, Some(2));
        assert_eq!(course.missed(&late, 9 * KEEP, 9 * KEEP), None);
        assert_eq!(course.place(), at(1), "it reads on");
    }

    #[test]
    fn where_the_last_row_is_gone_everything_is_read_again() {
        let mut course = begun(Some(7));
        let gone = Page {
            intact: false,
            ..page(1_000_010, Some(9))
        };
        assert_eq!(course.missed(&gone, 10, 11), Some(Missed::Broken));
        assert_eq!(course.place(), Place::START);
        assert_eq!(course.removable(Timestamp(u64::MAX)), None);
    }

    #[test]
    fn only_what_was_applied_long_ago_may_go() {
        let mut course = begun(Some(5));
        let stays = KEEP + KEEP / MARGIN;
        for id in 6..=9 {
            let now = (id as u64 - 5) * KEEP / MARKS;
            course.applied(&page(1_000_000 + now, Some(id)), now);
        }
        for (now, place) in [
            (0, None),
            (stays, None),
            (stays + 1, Some(5)),
            (stays + KEEP / MARKS + 1, Some(6)),
            (stays * 2, Some(9)),
        ] {
            let removable = course.removable(Timestamp(1_000_000 + now));
            assert_eq!(removable, place.map(at), "{now}");
        }
        course.removed(at(6));
        let now = Timestamp(1_000_000 + stays + KEEP / MARKS + 1);
        assert_eq!(course.removable(now), None);
        course.removed(at(9));
        assert_eq!(course.marks.len(), 1);
    }

    #[test]
    fn few_places_are_remembered_and_the_last_one_is() {
        let mut course = begun(Some(1));
        for id in 2..1000 {
            let now = id as u64;
            course.applied(&page(1_000_000 + now, Some(id)), now);
        }
        assert_eq!(course.marks.len(), 1);
        let idle = page(1_000_000 + KEEP, None);
        course.applied(&idle, KEEP);
        course.applied(&page(1_000_000 + 2 * KEEP, None), 2 * KEEP);
        let marks: Vec<Place> = course.marks.iter().map(|(_, place)| *place).collect();
        assert_eq!(marks, [at(1), at(999)]);
    }

    #[test]
    fn held_rows_are_looked_for_soon() {
        for (held, expected) in [
            (None, 1_000),
            (Some(0), 10),
            (Some(100), 25),
            (Some(3_600_000), 1_000),
        ] {
            assert_eq!(wait_ms(held, 1_000), expected, "{held:?}");
        }
        assert_eq!(wait_ms(Some(0), 5), 5);
    }
}
