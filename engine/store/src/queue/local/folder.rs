//! The folder of a queue, for one process alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::config::QueueOpenError;

/// Held for as long as the queue is open. The system lets it go however the process ends.
const LOCK: &str = "queue.lock";
/// How long a lock is waited for. Whoever had the queue may be ending; and a program that is just
/// being started has its parent's locks as well, until it is another program.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);
/// The changes.
const DATA: &str = "queue.db";

/// A folder that no other process has.
pub(super) struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder where it is missing, and takes it.
    pub(super) fn take(path: &Path) -> Result<Self, QueueOpenError> {
        let unusable = |error: io::Error| QueueOpenError::Folder {
            path: path.to_owned(),
            why: error.to_string(),
        };
        fs::create_dir_all(path).map_err(unusable)?;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let lock = options.open(path.join(LOCK)).map_err(unusable)?;
        wait_for(&lock, || thread::park_timeout(PAUSE)).map_err(|error| match error {
            TryLockError::WouldBlock => QueueOpenError::InUse {
                path: path.to_owned(),
            },
            TryLockError::Error(error) => unusable(error),
        })?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(super) fn data(&self) -> PathBuf {
        self.path.join(DATA)
    }

    /// Makes sure that the folder and what was made in it are found after a power loss: a file
    /// that is synced can still be lost with its name.
    pub(super) fn sync(&self) -> Result<(), QueueOpenError> {
        let parent = self
            .path
            .canonicalize()
            .map(|path| path.parent().map(Path::to_owned));
        let sync = || -> io::Result<()> {
            File::open(&self.path)?.sync_all()?;
            match parent? {
                // The parent may be somebody else's, who made the folder for this process.
                Some(parent) => File::open(parent)
                    .and_then(|parent| parent.sync_all())
                    .or(Ok(())),
                None => Ok(()),
            }
        };
        sync().map_err(|error| QueueOpenError::Folder {
            path: self.path.clone(),
            why: error.to_string(),
        })
    }
}

fn wait_for(lock: &File, mut pause: impl FnMut()) -> Result<(), TryLockError> {
    for _ in 0..TRIES {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => pause(),
            other => return other,
        }
    }
    lock.try_lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_being_let_go_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = || File::create(folder.path().join(LOCK)).unwrap();
        let mut first = Some(file());
        first.as_ref().unwrap().try_lock().unwrap();
        let second = file();
        let mut pauses = 0;
        let waited = wait_for(&second, || {
            pauses += 1;
            if pauses == 3 {
                first = None;
            }
        });
        assert!(waited.is_ok(), "{waited:?}");
        let mut pauses = 0;
        let kept = wait_for(&file(), || pauses += 1);
        assert!(matches!(kept, Err(TryLockError::WouldBlock)), "{kept:?}");
        assert_eq!(pauses, TRIES);
    }
}
