//! Putting bans in place, and knowing which are.

use std::sync::Arc;

use larder_core::dependency::Mode;
use larder_core::{Pattern, Timestamp};
use redis::cmd;

use super::bans::{Ban, Bans};
use super::reply::{exact, typed};
use super::store::Inner;
use crate::store::{StoreError, Token};
use crate::sweep::Sweep;

/// How many bans may be in place at once: each is tested on every hit.
pub(super) const MOST_BANS: u64 = 64;
/// How long a sweeper may be silent before another takes over, in milliseconds.
pub(super) const SILENT_MS: u64 = 30_000;

impl Inner {
    /// Bans hold from the moment they are on the list, which every read compares with; the sweep
    /// behind makes room on it.
    pub(super) async fn ban(
        self: &Arc<Self>,
        pattern: &Pattern,
        mode: Mode,
        now: Timestamp,
    ) -> Result<Sweep, StoreError> {
        let ban = self.place_ban(pattern, mode, now).await?;
        let (sweep, sweeper) = Sweep::begin();
        tokio::spawn(Arc::clone(self).sweep_ban(ban, Some(sweeper)));
        // A load that begins now then comes after the ban, and is not made again for it.
        if let Err(error) = self.read_bans().await {
            tracing::debug!("the bans will be read with the next entry: {error}");
        }
        Ok(sweep)
    }

    pub(super) async fn place_ban(
        &self,
        pattern: &Pattern,
        mode: Mode,
        at: Timestamp,
    ) -> Result<Ban, StoreError> {
        let id = Token::fresh().to_string();
        let (bans, lock) = (self.names.bans(), self.names.ban_lock(&id));
        let args = [
            &*id,
            &Ban::text(pattern, mode, at),
            &exact(MOST_BANS),
            &exact(SILENT_MS),
        ];
        let keys = [&*bans, &*lock];
        let number: String = typed(self.script(&self.scripts.ban_add, &keys, &args).await?)?;
        let Ok(number) = number.parse() else {
            return Err(StoreError::Refused(format!(
                "{MOST_BANS} bans are in place already, and each costs every read; wait for a sweep to end, or invalidate the namespace"
            )));
        };
        Ok(Ban {
            id: id.into(),
            number,
            pattern: pattern.clone(),
            mode,
            at,
        })
    }

    /// The bans at `number` or later.
    pub(super) async fn bans_under(&self, number: u64) -> Result<Arc<Bans>, StoreError> {
        let known = self.known.get();
        if known.number == number {
            return Ok(known);
        }
        self.read_bans().await
    }

    pub(super) async fn read_bans(&self) -> Result<Arc<Bans>, StoreError> {
        let turn = self.known.ask();
        let mut all = cmd("HGETALL");
        all.arg(self.names.bans());
        let fields = typed(self.link.query(all).await?)?;
        let (bans, unread) = Bans::of_fields(fields);
        if !unread.is_empty() {
            tracing::warn!(
                ?unread,
                "bans in a form of another build; until it has swept them all entries from before them are misses"
            );
        }
        let bans = Arc::new(bans);
        self.known.answered(turn, &bans);
        Ok(bans)
    }
}
