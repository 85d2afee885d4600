//! What a write that invalidates its own tags may be stored under.

use larder_core::{Dependency, Version};
use larder_store::Step;

/// The versions that the new entry is stored under: those from before the write, moved along by
/// the write's own invalidations and by nobody else's. None where somebody else invalidated in
/// between, as what they know may be newer than the write.
pub(crate) fn through_own_steps(
    under: Vec<(Dependency, Version)>,
    bumped: &[Dependency],
    steps: &[Step],
) -> Option<Vec<(Dependency, Version)>> {
    let moved = |(name, version): (Dependency, Version)| {
        let own = bumped.iter().zip(steps).filter(|(one, _)| **one == name);
        own.map(|(_, step)| step)
            .try_fold(version, |version, step| {
                (step.before == version).then_some(step.after)
            })
            .map(|version| (name, version))
    };
    under.into_iter().map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_steps_are_followed() {
        let at = |purge| Version { purge, expire: 0 };
        let (a, b) = (Dependency::tag("", "a"), Dependency::tag("", "b"));
        let step = |before, after| Step {
            before: at(before),
            after: at(after),
        };
        let under = || vec![(a.clone(), at(1)), (b.clone(), at(5))];
        for (bumped, steps, expected) in [
            (vec![], vec![], Some([1, 5])),
            (vec![a.clone()], vec![step(1, 2)], Some([2, 5])),
            (vec![a.clone()], vec![step(2, 3)], None),
            (
                vec![a.clone(), b.clone(), a.clone()],
                vec![step(1, 2), step(5, 6), step(2, 3)],
                Some([3, 6]),
            ),
        ] {
            let moved = through_own_steps(under(), &bumped, &steps);
            let moved = moved.map(|all| [all[0].1.purge, all[1].1.purge]);
            assert_eq!(moved, expected, "{bumped:?}");
        }
    }
}
