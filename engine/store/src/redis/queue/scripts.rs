//! The steps of a queue that nothing comes between, each in one partition.

use redis::Script;

/// All scripts, ready to be called by their digests.
///
/// Sent twice, `enqueue` answers alike by its operation, and of the others each finds done what
/// it would do.
pub(super) struct Scripts {
    pub(super) enqueue: Script,
    pub(super) unflushed: Script,
    pub(super) pending: Script,
    pub(super) claim: Script,
    pub(super) extend: Script,
    pub(super) let_go: Script,
    pub(super) head: Script,
    pub(super) flushed: Script,
    pub(super) bury: Script,
    pub(super) spoil: Script,
    pub(super) letter: Script,
    pub(super) retry: Script,
    pub(super) forget: Script,
    pub(super) depth: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            enqueue: script(include_str!("lua/enqueue.lua")),
            unflushed: script(include_str!("lua/unflushed.lua")),
            pending: script(include_str!("lua/pending.lua")),
            claim: script(include_str!("lua/claim.lua")),
            extend: script(include_str!("lua/extend.lua")),
            let_go: script(include_str!("lua/let_go.lua")),
            head: script(include_str!("lua/head.lua")),
            flushed: script(include_str!("lua/flushed.lua")),
            bury: script(include_str!("lua/bury.lua")),
            spoil: script(include_str!("lua/spoil.lua")),
            letter: script(include_str!("lua/letter.lua")),
            retry: script(include_str!("lua/retry.lua")),
            forget: script(include_str!("lua/forget.lua")),
            depth: script(include_str!("lua/depth.lua")),
        }
    }
}

fn script(body: &str) -> Script {
    Script::new(&format!("{}\n{body}", include_str!("lua/partition.lua")))
}
