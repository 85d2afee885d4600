//! Rows that changed while their policy could not say what that makes stale.

use std::collections::BTreeMap;
use std::time::Duration;

use larder_core::dependency::Mode;
use tokio::time::Instant;

use crate::invalidate::Invalidation;
use crate::invalidate::rows::Undecided;

/// How long a policy is asked again, and about how many rows at a time, before everything of the
/// origin goes instead: what it fails at may be the row itself.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
const MOST: usize = 10_000;

/// Tenant, resource and id of a row, and what is to become of what it makes stale.
type Name = (String, bool, String, String);

/// Rows that are still to be invalidated, each with the moment since which it is.
#[derive(Debug, Default)]
pub(super) struct Owed(BTreeMap<Name, Instant>);

impl Owed {
    /// Puts down rows of an invalidation. One that is there already keeps its moment.
    pub(super) fn put_down(
        &mut self,
        (tenant, mode): (&str, Mode),
        rows: impl IntoIterator<Item = Undecided>,
        now: Instant,
    ) {
        for Undecided { resource, id, .. } in rows {
            let name = (tenant.to_owned(), mode == Mode::Expire, resource, id);
            self.0.entry(name).or_insert(now);
        }
    }

    /// The rows, as invalidations that are to be tried again.
    pub(super) fn again(&self) -> Vec<Invalidation> {
        let mut all: BTreeMap<(&str, bool), Vec<(String, String)>> = BTreeMap::new();
        for (tenant, expire, resource, id) in self.0.keys() {
            let rows = all.entry((tenant, *expire)).or_default();
            rows.push((resource.clone(), id.clone()));
        }
        let of = |((tenant, expire), rows): ((&str, bool), _)| Invalidation {
            tenant: tenant.to_owned(),
            rows,
            mode: if expire { Mode::Expire } else { Mode::Purge },
            ..Invalidation::default()
        };
        all.into_iter().map(of).collect()
    }

    /// Keeps of the rows of an invalidation those that are still undecided.
    pub(super) fn tried(&mut self, what: &Invalidation, undecided: &[Undecided]) {
        let expire = what.mode == Mode::Expire;
        for (resource, id) in &what.rows {
            let still = |one: &Undecided| one.resource == *resource && one.id == *id;
            if !undecided.iter().any(still) {
                let name = (what.tenant.clone(), expire, resource.clone(), id.clone());
                self.0.remove(&name);
            }
        }
    }

    /// For how long the oldest of them has waited; none where there is none.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        let oldest = self.0.values().min()?;
        Some(now.saturating_duration_since(*oldest))
    }

    /// Whether nothing is left but to make everything of the origin stale.
    pub(super) fn is_hopeless(&self, now: Instant) -> bool {
        self.0.len() > MOST || self.age(now).is_some_and(|age| age >= PATIENCE)
    }

    /// Forgets all rows, and answers how many there were.
    pub(super) fn give_up(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn undecided(id: &str) -> Undecided {
        Undecided {
            resource: "product".to_owned(),
            id: id.to_owned(),
            error: Error::NoRoute(String::new()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rows_are_tried_until_they_are_decided_or_too_old() {
        let (mut owed, begun) = (Owed::default(), Instant::now());
        assert!(owed.again().is_empty() && !owed.is_hopeless(begun));
        owed.put_down(("", Mode::Purge), [undecided("1"), undecided("2")], begun);
        owed.put_down(("acme", Mode::Expire), [undecided("1")], begun);
        let later = begun + Duration::from_secs(9);
        owed.put_down(("", Mode::Purge), [undecided("1"), undecided("3")], later);
        let all = owed.again();
        let rows =
            |n: usize| -> Vec<&str> { all[n].rows.iter().map(|(_, id)| id.as_str()).collect() };
        assert_eq!((rows(0), rows(1)), (vec!["1", "2", "3"], vec!["1"]));
        assert_eq!((&*all[1].tenant, all[1].mode), ("acme", Mode::Expire));
        owed.tried(&all[0], &[undecided("2")]);
        owed.tried(&all[1], &[]);
        assert_eq!(owed.again()[0].rows.len(), 1);
        assert!(!owed.is_hopeless(later) && owed.is_hopeless(begun + PATIENCE));
        assert_eq!((owed.give_up(), owed.age(later)), (1, None));
    }

    #[tokio::test(start_paused = true)]
    async fn more_rows_than_can_be_kept_are_hopeless_at_once() {
        let (mut owed, now) = (Owed::default(), Instant::now());
        let many = (0..=MOST).map(|n| undecided(&n.to_string()));
        owed.put_down(("", Mode::Purge), many, now);
        assert!(owed.is_hopeless(now));
    }
}
