//! Remembers which refreshes failed a moment ago.

use std::collections::HashMap;
use std::sync::Arc;

use larder_core::{Key, Timestamp};
use parking_lot::Mutex;

/// The most keys remembered. Forgetting one costs an extra call of the origin, nothing else.
const MOST: usize = 16_384;

/// Keys whose last load failed, and until when no refresh is tried while a stale value can be
/// served: an origin that is down is asked once in a while and not by every read.
#[derive(Default)]
pub(crate) struct Retry(Mutex<HashMap<Arc<str>, Timestamp>>);

impl Retry {
    pub(crate) fn after(&self, key: &Key, until: Timestamp, now: Timestamp) {
        let mut map = self.0.lock();
        if map.len() >= MOST {
            map.retain(|_, until| *until > now);
        }
        if map.len() >= MOST {
            map.clear();
        }
        map.insert(Arc::clone(key.storage()), until);
    }

    pub(crate) fn blocked(&self, key: &Key, now: Timestamp) -> bool {
        let map = self.0.lock();
        map.get(&**key.storage()).is_some_and(|until| now < *until)
    }

    pub(crate) fn clear(&self, key: &Key) {
        let mut map = self.0.lock();
        if !map.is_empty() {
            map.remove(&**key.storage());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_until_the_moment_and_stays_bounded() {
        let retry = Retry::default();
        let key = Key::new("", "n", "k");
        retry.after(&key, Timestamp(10), Timestamp(5));
        assert!(retry.blocked(&key, Timestamp(9)));
        assert!(!retry.blocked(&key, Timestamp(10)));
        retry.clear(&key);
        assert!(!retry.blocked(&key, Timestamp(9)));

        for i in 0..3 * MOST {
            let key = Key::new("", "n", &i.to_string());
            retry.after(&key, Timestamp(100), Timestamp(5));
        }
        assert!(retry.0.lock().len() <= MOST);
    }
}
