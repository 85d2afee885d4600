//! Why flushes fail, for whoever asks what the queue waits for.

use std::collections::HashMap;

use larder_store::queue::Partition;
use parking_lot::Mutex;

/// By partition, why its last flush failed; nothing where it did not.
#[derive(Default)]
pub(super) struct Failing(Mutex<HashMap<Partition, String>>);

impl Failing {
    pub(super) fn note(&self, partition: &Partition, why: &str) {
        self.0.lock().insert(partition.clone(), why.to_owned());
    }

    pub(super) fn clear(&self, partition: &Partition) {
        self.0.lock().remove(partition);
    }

    /// Why, for one partition.
    pub(super) fn of_partition(&self, partition: &Partition) -> Option<String> {
        self.0.lock().get(partition).cloned()
    }

    /// Why, for the first partition of an origin that fails.
    pub(super) fn of(&self, origin: &str) -> Option<String> {
        let all = self.0.lock();
        let of_origin = all.iter().filter(|(one, _)| *one.origin == *origin);
        let first = of_origin.min_by_key(|(one, _)| one.number)?;
        Some(first.1.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_fails_while_one_of_its_partitions_does() {
        let (failing, shop) = (Failing::default(), "shop".into());
        let shops: Vec<_> = Partition::all(&shop).collect();
        failing.note(&shops[3], "refused");
        failing.note(&shops[1], "timeout");
        assert_eq!(failing.of("shop").as_deref(), Some("timeout"));
        assert_eq!(failing.of("stock"), None);
        failing.clear(&shops[1]);
        assert_eq!(failing.of("shop").as_deref(), Some("refused"));
        failing.clear(&shops[3]);
        assert_eq!(failing.of("shop"), None);
    }
}
