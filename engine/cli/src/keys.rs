//! Takes a changed key ring into use without a restart.
//!
//! The file is looked at every ten seconds and not on a signal: that works wherever the file comes
//! from (a mounted secret is exchanged without a signal), and on every system.

use std::sync::Arc;
use std::time::Duration;

use larder::Vault;
use tokio::time::MissedTickBehavior;

const EVERY: Duration = Duration::from_secs(10);

/// Reads the vault's file again and again, until nobody else holds the vault. What it comes to is
/// in the log and the metrics; a broken file changes nothing.
pub(crate) fn follow(vault: &Arc<Vault>) {
    if vault.file().is_none() {
        return;
    }
    let vault = Arc::downgrade(vault);
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(vault) = vault.upgrade() else {
                return;
            };
            let reading = tokio::task::spawn_blocking(move || vault.reload().is_ok());
            if reading.await.is_err() {
                tracing::error!("the key ring could not be read again; the last good one stays");
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_changed_file_is_in_use_within_ten_seconds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys.toml");
        let ring = |id: &str| format!("active = \"{id}\"\n[keys]\n{id} = \"{}\"\n", *key());
        fs::write(&path, ring("a")).unwrap();
        let vault = Arc::new(Vault::from_file(&path).unwrap());
        follow(&vault);
        for (text, active) in [
            (ring("b"), "b"),
            ("broken".to_owned(), "b"),
            (ring("c"), "c"),
        ] {
            fs::write(&path, text).unwrap();
            // The reading itself takes none of the paused time.
            tokio::time::sleep(EVERY + Duration::from_millis(1)).await;
            assert_eq!(&**vault.ring().active(), active);
        }
    }

    fn key() -> impl std::ops::Deref<Target = String> {
        larder::vault::fresh_key().unwrap()
    }
}
