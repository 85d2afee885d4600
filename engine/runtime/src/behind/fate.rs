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
}

/// The fates, in order. A row that fails while others are answered has a trouble of its own, and is
/// given up in the end; where none is answered, the origin has.
pub(super) fn fates(answers: &[Answer<'_>], attempts_max: u32) -> Vec<Fate> {
    let permanent = |answer: &Answer<'_>| answer.error.is_some_and(OriginError::is_permanent);
    let works = answers
        .iter()
        .any(|answer| answer.error.is_none() || permanent(answer));
    let fate = |answer: &Answer<'_>| {
        let blamed = answer.error.is_some_and(is_blamed);
        let given_up =
            permanent(answer) || (works && blamed && answer.attempts + 1 >= attempts_max);
        match answer.error {
            None => Fate::Done,
            Some(_) if given_up && answer.changes > 1 => Fate::Singly,
            Some(_) if given_up => Fate::Bury,
            Some(_) if works => Fate::Later,
            Some(_) => Fate::Again,
        }
    };
    answers.iter().map(fate).collect()
}

/// Whether a row is to blame for failing like this while others are answered. Where the origin was
/// not reached or ran out of time, others may only have come first.
pub(super) const fn is_blamed(error: &OriginError) -> bool {
    matches!(error, OriginError::Failed(_) | OriginError::Broken(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_mean() {
        use Fate::{Again, Bury, Done, Later, Singly};
        let failed = OriginError::Failed("down".into());
        let late = OriginError::Timeout { limit_ms: 1 };
        let refused = OriginError::Rejected("no".into());
        let answer = |error, changes, attempts| Answer {
            error,
            changes,
            attempts,
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
                "the last refused",
                vec![answer(Some(&refused), 2, 0)],
                vec![Singly],
            ),
            (
                "a refusal is an answer",
                vec![answer(Some(&refused), 1, 0), answer(Some(&failed), 1, 0)],
                vec![Bury, Later],
            ),
            ("nothing", vec![], vec![]),
        ] {
            assert_eq!(fates(&answers, 3), expected, "{what}");
        }
    }
}
