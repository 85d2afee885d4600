//! What is started once for a run.

use tokio::sync::OnceCell;

use crate::Process;
use crate::run::Run;

/// Servers that are started by the first test of a run that asks for them, and known to all by a
/// text: an address, say. A `static` for each kind.
#[derive(Debug)]
pub struct Once {
    name: &'static str,
    here: OnceCell<String>,
}

impl Once {
    /// Servers that all processes of the run know by this name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let here = OnceCell::const_new();
        Self { name, here }
    }

    /// The text that `start` answered, here or in another process of the run. The processes that it
    /// answered with it end with the run; connections to them are for each test to make.
    pub async fn get(&self, start: impl AsyncFnOnce() -> (String, Vec<Process>)) -> String {
        let known = self
            .here
            .get_or_init(|| Run::this().once(self.name, start))
            .await;
        known.clone()
    }
}
