//! File events of the policy folder.

use std::path::Path;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};

/// Watches until it is dropped.
pub(crate) type Watch = Debouncer<RecommendedWatcher, RecommendedCache>;

/// Calls `changed` after events in `dir`, once for all that come within `debounce`. What an event
/// says is not used: renames, links that change their target and lost events look different on
/// each system, so each only means "look again".
///
/// # Errors
/// The system has no more watches, or the folder is gone.
pub(crate) fn watch(
    dir: &Path,
    debounce: Duration,
    changed: impl Fn() + Send + 'static,
) -> notify::Result<Watch> {
    let handler = move |result: DebounceEventResult| {
        if result.map_or(true, |events| {
            events.iter().any(|event| is_change(event.kind))
        }) {
            changed();
        }
    };
    let mut watch = new_debouncer(debounce, None, handler)?;
    watch.watch(dir, RecursiveMode::NonRecursive)?;
    Ok(watch)
}

/// Looking through the folder opens its files, which is an event too: without this, each look
/// would cause the next.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}
