//! How many changes are handed over at once.

use larder_origin::{OriginError, Written};

/// A batch that an origin does not get through in its time, or of which one row fails the rest,
/// would be handed over for ever, so the next is half as large until one is taken, and then twice as
/// large again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// None: as many as are allowed.
    cap: Option<usize>,
}

impl Pace {
    /// At most so many, where otherwise it would be `most`.
    pub(super) fn limit(self, most: usize) -> usize {
        self.cap.map_or(most, |cap| cap.min(most)).max(1)
    }

    /// Notes what the origin answered to a batch. Where it took some and failed at others, it gets
    /// on, and perhaps only those are to blame. One that was not reached saw none of them.
    pub(super) fn note(&mut self, answers: &[Result<Written, OriginError>], most: usize) {
        let failed = |answer: &Result<_, _>| match answer {
            Ok(_) | Err(OriginError::Unreachable(_)) => false,
            Err(error) => !error.is_permanent(),
        };
        let taken = answers.iter().any(Result::is_ok);
        match (taken, answers.iter().any(failed)) {
            (false, true) => self.cap = Some((answers.len() / 2).max(1)),
            (true, false) => self.cap = self.cap.map(|cap| cap * 2).filter(|cap| *cap < most),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_while_all_fails_and_doubles_while_something_is_taken() {
        let taken = || Ok::<_, OriginError>(Written::default());
        let late = || Err(OriginError::Timeout { limit_ms: 1 });
        let down = || Err(OriginError::Unreachable("down".into()));
        let failed = || Err(OriginError::Failed("one of them".into()));
        let refused = || Err(OriginError::Rejected("all of them".into()));
        let mut pace = Pace::default();
        for (answers, limit) in [
            (vec![taken(); 5], 10),
            (vec![down(), down()], 10),
            (vec![refused(); 8], 10),
            (vec![late(); 8], 4),
            (vec![failed(); 8], 4),
            (vec![late(), late(), late(), down()], 2),
            (vec![taken(), late()], 2),
            (vec![], 2),
            (vec![late(), late()], 1),
            (vec![late()], 1),
            (vec![taken(), down()], 2),
            (vec![taken(), taken()], 4),
            (vec![taken()], 8),
            (vec![taken()], 10),
            (vec![taken()], 10),
        ] {
            pace.note(&answers, 10);
            assert_eq!(pace.limit(10), limit, "after {answers:?}");
        }
        assert_eq!(Pace::default().limit(0), 1);
    }
}
