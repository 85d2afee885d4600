//! The folder of a queue, for one process alone.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::config::QueueOpenError;

/// Held for as long as the queue is open. The system lets it go however the process ends.
const LOCK: &str = "queue.lock";
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
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(QueueOpenError::InUse {
                    path: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
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
