//! The file at a path, and everybody here who has it open: they change over to another one together.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, RwLock};

use super::failure;
use super::link::{How, Link};
use super::statement::Limits;
use crate::OriginError;

/// How often a call follows a file that is replaced again and again.
const ATTEMPTS: usize = 4;

/// The files that are open in this process: origins and outboxes of one file know of each other.
static FILES: Mutex<BTreeMap<PathBuf, Weak<File>>> = Mutex::new(BTreeMap::new());

/// Which file it is, whatever it is called. None of this is given to another file while this one
/// is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let found = std::fs::metadata(path)?;
        Ok(Self {
            device: found.dev(),
            inode: found.ino(),
        })
    }
}

/// What a file left behind when another took its place: a log that belongs to the old one.
type Log = (PathBuf, Identity);

#[derive(Default)]
struct State {
    /// Which file the connections have open.
    open: Option<Identity>,
    /// Replayed onto the new file, it would mix the two.
    left: Option<Log>,
}

/// One path.
pub(super) struct File {
    path: PathBuf,
    /// Calls pass it; who changes over is alone.
    gate: RwLock<()>,
    state: Mutex<State>,
    seats: Mutex<Vec<Weak<Mutex<Option<Link>>>>>,
}

/// A connection to whatever file is at the path.
pub(super) struct Seat {
    file: Arc<File>,
    how: How,
    limits: Limits,
    link: Arc<Mutex<Option<Link>>>,
}

impl File {
    pub(super) fn at(path: &Path) -> Arc<Self> {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let mut files = FILES.lock();
        files.retain(|_, file| file.strong_count() > 0);
        if let Some(file) = files.get(&path).and_then(Weak::upgrade) {
            return file;
        }
        let file = Arc::new(Self {
            path: path.clone(),
            gate: RwLock::default(),
            state: Mutex::default(),
            seats: Mutex::default(),
        });
        files.insert(path, Arc::downgrade(&file));
        file
    }

    /// One more connection, opened when it is first used.
    pub(super) fn seat(self: &Arc<Self>, how: How, limits: Limits) -> Seat {
        let link = Arc::default();
        let mut seats = self.seats.lock();
        seats.retain(|seat| seat.strong_count() > 0);
        seats.push(Arc::downgrade(&link));
        Seat {
            file: Arc::clone(self),
            how,
            limits,
            link,
        }
    }

    fn now(&self) -> Result<Identity, OriginError> {
        Identity::of(&self.path).map_err(|error| {
            let path = self.path.display();
            OriginError::Unreachable(match error.kind() {
                io::ErrorKind::NotFound => format!("there is no file {path} any more"),
                _ => format!("{path}: {error}"),
            })
        })
    }

    /// Closes what is open of another file than the one at the path, all of it before any of the
    /// new one is opened: within a process SQLite shares the memory beside a path.
    fn change_over(&self) {
        let _alone = self.gate.write();
        let mut state = self.state.lock();
        if state.open == Identity::of(&self.path).ok() {
            return;
        }
        let path = self.path.display();
        tracing::warn!(%path, "the database file was replaced or removed; it is opened anew");
        state.left = None;
        for seat in self.seats.lock().iter().filter_map(Weak::upgrade) {
            if let Some(link) = seat.lock().take() {
                state.left = link.leave().or(state.left.take());
            }
        }
        state.open = None;
    }

    /// Refuses to open a file beside which the log of another one lies.
    fn check_log(&self) -> Result<(), OriginError> {
        let state = self.state.lock();
        let Some((log, whose)) = &state.left else {
            return Ok(());
        };
        let here = std::fs::metadata(log).is_ok_and(|found| found.len() > 0);
        if !here || Identity::of(log).ok() != Some(*whose) {
            return Ok(());
        }
        Err(OriginError::Unreachable(format!(
            "{} was replaced while another program uses the old file, whose log {} would be taken \
             for the new one's: end that program, and move the log away",
            self.path.display(),
            log.display()
        )))
    }
}

impl Seat {
    /// Has something done on a connection to the file that is at the path now.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&mut Link) -> Result<T, OriginError>,
    ) -> Result<T, OriginError> {
        for _ in 0..ATTEMPTS {
            let passing = self.file.gate.read();
            let now = self.file.now();
            let open = self.file.state.lock().open;
            if open.is_some() && open != now.as_ref().ok().copied() {
                drop(passing);
                self.file.change_over();
                continue;
            }
            let now = now?;
            let mut held = self.link.lock();
            if held.as_mut().is_some_and(Link::is_outdated) {
                *held = None;
            }
            if held.is_none() {
                *held = self.open(now)?;
            }
            let Some(link) = &mut *held else { continue };
            let before = link.db.total_changes();
            let done = work(link);
            if link.db.total_changes() != before {
                link.written();
            }
            return done;
        }
        Err(OriginError::Unreachable(format!(
            "{} is replaced again and again",
            self.file.path.display()
        )))
    }

    /// Opens the file, unless another one took its place meanwhile.
    fn open(&self, now: Identity) -> Result<Option<Link>, OriginError> {
        let File { path, state, .. } = &*self.file;
        self.file.check_log()?;
        let link = Link::open(path, self.how);
        let link = link.map_err(|error| failure::of_reading(&error, self.limits))?;
        let mut state = state.lock();
        let known = state.open.is_none_or(|open| open == now);
        if !known || Identity::of(path).ok() != Some(now) {
            return Ok(None);
        }
        state.open = Some(now);
        Ok(Some(link))
    }

    /// Whether the file that is open is still the one at the path: what was committed is there.
    pub(super) fn is_current(&self) -> bool {
        let open = self.file.state.lock().open;
        open.is_some() && open == Identity::of(&self.file.path).ok()
    }
}
