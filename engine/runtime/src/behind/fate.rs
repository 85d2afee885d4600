//! What the answers to a batch mean for each row.

use larder_origin::OriginError;

/// What becomes of the changes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// The origin has them.
    Done,
    /// They are handed over again, one after the other: the last of them was refused.
    Singly,
    /// They are handed over again after a while, while others go on.
    Later,
    /// They are handed over again after a while, and alone, as they were: either they fail or the
    /// origin does.
    Aside,
    /// They are handed over again with all others: the origin does not work.
    Again,
    /// The origin will never take the last of them.
    Bury,
}

/// An answer of the origin, with what is known of the row.
#[derive(Clone, Copy)]
pub(super) struct Answer<'a> {
    /// None where it was taken.
    pub(super) error: Option<&'a OriginError>,
    /// How many changes the last one stands for.
    pub(super) changes: usize,
    /// How often it failed before while others were answered.
    pub(super) attempts: u32,
    /// Whether writes wait that were acknowledged before it, of whatever row and origin.
    pub(super) older: bool,
    /// Whether others were taken since it last failed.
    pub(super) others: bool,
}

/// The fates, in order. A row that fails while others are answered has a trouble of its own, and is
/// given up in the end; where none is answered, the origin has.
pub(super) fn fates(answers: &[Answer<'_>], attempts_max: u32) -> Vec<Fate> {
    let alone = answers.len() == 1;
    let permanent = |answer: &Answer<'_>| answer.error.is_some_and(OriginError::is_permanent);
    let any_answered = answers
        .iter()
        .any(|answer| answer.error.is_none() || permanent(answer));
    let fate = |answer: &Answer<'_>| {
        let works = any_answered || (alone && answer.others);
        let blamed = answer.error.is_some_and(|error| is_blamed(error, alone));
        let tries = match answer.error {
            // What it refers to, or who holds the value that it is to have, may be one of them.
            Some(OriginError::Rejected(_)) if answer.changes == 1 && answer.older => attempts_max,
            _ if permanent(answer) => 1,
            _ => attempts_max,
        };
        let given_up = works && blamed && answer.attempts + 1 >= tries;
        match answer.error {
            None => Fate::Done,
            Some(_) if given_up && answer.changes > 1 => Fate::Singly,
            Some(_) if given_up => Fate::Bury,
            Some(_) if works => Fate::Later,
            Some(OriginError::Unreachable(_)) => Fate::Again,
            Some(_) if alone => Fate::Aside,
            Some(_) => Fate::Again,
        }
    };
    answers.iter().map(fate).collect()
}

/// Whether a row is to blame for failing like this while others are answered. Where the origin was
/// not reached others may only have come first, and where it ran out of time or could not do its
/// statement too, unless the row was handed over alone.
pub(super) const fn is_blamed(error: &OriginError, alone: bool) -> bool {
    match error {
        error if error.is_permanent() => true,
        OriginError::Failed(_) | OriginError::Broken(_) => true,
        OriginError::Timeout { .. } | OriginError::Schema(_) => alone,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_mean() {
        use Fate::{Again, Aside, Bury, Done, Later, Singly};
        let failed = OriginError::Failed("down".into());
        let late = OriginError::Timeout { limit_ms: 1 };
        let away = OriginError::Unreachable("away".into());
        let refused = OriginError::Rejected("no".into());
        let large = OriginError::WriteTooLarge { limit_bytes: 1 };
        let answer = |error, changes, attempts| Answer {
            error,
            changes,
            attempts,
            older: false,
            others: false,
        };
        let older = |error, attempts| Answer {
            older: true,
            ..answer(Some(error), 1, attempts)
        };
        let others = |error, attempts| Answer {
            others: true,
            ..answer(Some(error), 1, attempts)
        };
        for (what, answers, expected) in [
            (
                "all taken",
                vec![answer(None, 1, 0), answer(None, 3, 5)],
                vec![Done, Done],
            ),
            (
                "down",
                vec![answer(Some(&failed), 1, 9), answer(Some(&late), 2, 9)],
                vec![Again, Again],
            ),
            (
                "one fails",
                vec![answer(None, 1, 0), answer(Some(&failed), 1, 0)],
                vec![Done, Later],
            ),
            (
                "one failed often",
                vec![answer(None, 1, 0), answer(Some(&failed), 1, 2)],
                vec![Done, Bury],
            ),
            (
                "several failed often",
                vec![answer(None, 1, 0), answer(Some(&failed), 2, 2)],
                vec![Done, Singly],
            ),
            (
                "one is late again and again",
                vec![answer(None, 1, 0), answer(Some(&late), 1, 99)],
                vec![Done, Later],
            ),
            ("refused", vec![answer(Some(&refused), 1, 0)], vec![Bury]),
            (
                "refused while older ones wait",
                vec![older(&refused, 0)],
                vec![Later],
            ),
            (
                "refused again and again while older ones wait",
                vec![older(&refused, 2)],
                vec![Bury],
            ),
            (
                "too large, which no other write changes",
                vec![older(&large, 0)],
                vec![Bury],
            ),
            (
                "the last refused",
                vec![answer(Some(&refused), 2, 0)],
                vec![Singly],
            ),
            (
                "a refusal is an answer",
                vec![answer(Some(&refused), 1, 0), answer(Some(&failed), 1, 0)],
                vec![Bury, Later],
            ),
            ("alone", vec![answer(Some(&failed), 1, 99)], vec![Aside]),
            ("late alone", vec![answer(Some(&late), 1, 99)], vec![Aside]),
            ("not reached", vec![others(&away, 99)], vec![Later]),
            (
                "not reached, nor others",
                vec![answer(Some(&away), 1, 99)],
                vec![Again],
            ),
            (
                "alone while others pass",
                vec![others(&failed, 0)],
                vec![Later],
            ),
            (
                "often alone while others pass",
                vec![others(&failed, 2)],
                vec![Bury],
            ),
            (
                "often late alone while others pass",
                vec![others(&late, 2)],
                vec![Bury],
            ),
            (
                "two, while others pass",
                vec![others(&failed, 99), others(&late, 99)],
                vec![Again, Again],
            ),
            ("nothing", vec![], vec![]),
        ] {
            assert_eq!(fates(&answers, 3), expected, "{what}");
        }
    }
}
