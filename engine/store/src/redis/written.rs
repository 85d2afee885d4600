//! What was written a while ago, by the clock of Redis: write holds are shorter than clocks differ.

use larder_core::Dependency;
use redis::{Cmd, cmd};

use super::reply::{exact, number, typed};
use super::store::Inner;
use crate::store::StoreError;

impl Inner {
    /// Keeps a key for each name that ends by itself and holds how long it was to be kept.
    pub(super) async fn note_written(
        &self,
        names: &[Dependency],
        keep_ms: u64,
    ) -> Result<(), StoreError> {
        let keep = exact(keep_ms.max(1));
        let set = |name| {
            let mut set = cmd("SET");
            set.arg(self.names.written(name)).arg(&keep);
            set.arg("PX").arg(&keep);
            set
        };
        self.link.query_all(names.iter().map(set).collect()).await?;
        Ok(())
    }

    /// What is left of the time tells how much of it is over.
    pub(super) async fn written_ago(
        &self,
        names: &[Dependency],
    ) -> Result<Option<u64>, StoreError> {
        let ask = |name: &Dependency| -> [Cmd; 2] {
            ["GET", "PTTL"].map(|command| {
                let mut command = cmd(command);
                command.arg(self.names.written(name));
                command
            })
        };
        let commands = names.iter().flat_map(ask).collect();
        let mut answers = self.link.query_all(commands).await?.into_iter();
        let mut last = None;
        while let (Some(kept), Some(left)) = (answers.next(), answers.next()) {
            let (kept, left) = (number(kept)?, typed::<i64>(left)?);
            // Negative where it has ended in between.
            if let (1.., Ok(left)) = (kept, u64::try_from(left)) {
                let ago = kept.saturating_sub(left);
                last = Some(last.map_or(ago, |last: u64| last.min(ago)));
            }
        }
        Ok(last)
    }
}
