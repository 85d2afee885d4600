//! File events of the policy folder, and looks at the links on the way to it and to its files.

mod places;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode};
use notify_debouncer_full::{DebounceEventResult, Debouncer, RecommendedCache, new_debouncer};
use parking_lot::Mutex;

use self::places::{Identity, Places, Stands, identity};

/// How often places are looked for again while they change as they are looked for.
const LOOKS: usize = 4;

/// How often it is looked whether the names on the way stand for something else.
pub(crate) const LINKS_EVERY: Duration = Duration::from_millis(250);

/// Watches until it is dropped.
pub(crate) struct Watch {
    dir: PathBuf,
    debouncer: Debouncer<RecommendedWatcher, RecommendedCache>,
    /// What is watched: a folder that was replaced is another one under the same path.
    armed: Option<(PathBuf, Option<Identity>)>,
    places: Arc<Mutex<Places>>,
    /// What the names stood for when they were last followed, and when they were last looked at.
    followed: Vec<Stands>,
    seen: Vec<Stands>,
}

/// Calls `changed` after events that may mean another file for a policy of `dir`, once for all
/// that come within `debounce`. What an event says is not used: renames, links that change their
/// target and lost events look different on each system, so each only means "look again", and
/// before that [`Watch::follow`].
///
/// # Errors
/// The system has no more watches, or the folder is gone.
pub(crate) fn watch(
    dir: &Path,
    debounce: Duration,
    changed: impl Fn() + Send + 'static,
) -> notify::Result<Watch> {
    let places = Arc::new(Mutex::new(Places::default()));
    let known = Arc::clone(&places);
    let handler = move |result: DebounceEventResult| {
        let matters = result.map_or(true, |events| {
            let places = known.lock();
            events.iter().any(|event| is_change(event, &places))
        });
        if matters {
            changed();
        }
    };
    let mut watch = Watch {
        dir: std::path::absolute(dir)?,
        debouncer: new_debouncer(debounce, None, handler)?,
        armed: None,
        places,
        followed: Vec::new(),
        seen: Vec::new(),
    };
    watch.follow()?;
    Ok(watch)
}

impl Watch {
    /// Watches where the folder and its files are now. To be called before each look at them, so
    /// that no change falls between the two.
    ///
    /// # Errors
    /// As [`watch`]; what could be watched is.
    pub(crate) fn follow(&mut self) -> notify::Result<()> {
        let mut result = Ok(());
        for _ in 0..LOOKS {
            let places = Places::of(&self.dir);
            let folder = places.folder();
            let wanted = folder.map(|folder| (folder.clone(), identity(folder)));
            self.followed = places.stand();
            self.seen.clone_from(&self.followed);
            *self.places.lock() = places;
            if wanted == self.armed {
                break;
            }
            result = self.arm(wanted);
        }
        result
    }

    /// Whether a name on the way has come to stand for something else, and does so for the second
    /// look: what is still being written is left to be ended.
    pub(crate) fn has_moved(&mut self) -> bool {
        let now = self.places.lock().stand();
        let rests = now == self.seen;
        let moved = rests && now != self.followed;
        self.seen = now;
        moved
    }

    fn arm(&mut self, wanted: Option<(PathBuf, Option<Identity>)>) -> notify::Result<()> {
        if let Some((folder, _)) = &self.armed {
            // One that is gone has ended its watch by itself.
            let _ = self.debouncer.unwatch(folder);
        }
        let watched = wanted.as_ref().map_or(Ok(()), |(folder, _)| {
            self.debouncer.watch(folder, RecursiveMode::NonRecursive)
        });
        self.armed = wanted;
        watched
    }
}

/// Looking through the folder opens its files, which is an event too: without this, each look
/// would cause the next.
fn is_change(event: &Event, places: &Places) -> bool {
    let kind = match event.kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    };
    // Events without a path say that others were lost.
    kind && (event.paths.is_empty() || event.paths.iter().any(|path| places.concern(path)))
}
