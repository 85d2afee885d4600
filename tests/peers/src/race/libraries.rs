//! Caches as Rust libraries in the experiment, by their own ways of loading.

use std::convert::Infallible;

use super::experiment::{Later, Load, Peer};

/// moka's future cache: `get_with`; `invalidate`, `invalidate_all`.
pub struct Moka(moka::future::Cache<u8, u32>);

impl Default for Moka {
    fn default() -> Self {
        Self(moka::future::Cache::new(100))
    }
}

impl Peer for Moka {
    fn get(&self, load: Load) -> Later<'_, Option<u32>> {
        Box::pin(async move { Some(self.0.get_with(1, load).await) })
    }

    fn invalidate(&self, way: usize) -> Later<'_, ()> {
        Box::pin(async move {
            match way {
                0 => self.0.invalidate(&1).await,
                _ => self.0.invalidate_all(),
            }
        })
    }
}

/// quick_cache: `get_or_insert_async`; `remove`, `clear`.
pub struct Quick(quick_cache::sync::Cache<u8, u32>);

impl Default for Quick {
    fn default() -> Self {
        Self(quick_cache::sync::Cache::new(100))
    }
}

impl Peer for Quick {
    fn get(&self, load: Load) -> Later<'_, Option<u32>> {
        Box::pin(async move {
            let load = async move { Ok::<_, Infallible>(load.await) };
            self.0.get_or_insert_async(&1, load).await.ok()
        })
    }

    fn invalidate(&self, way: usize) -> Later<'_, ()> {
        match way {
            0 => drop(self.0.remove(&1)),
            _ => self.0.clear(),
        }
        Box::pin(async {})
    }
}
