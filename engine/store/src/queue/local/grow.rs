//! Whether a file may not grow, where SQLite says no more than that it could not write.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;

/// As much as SQLite adds to its log at least: a page and what comes before it.
const FRAME: usize = 4_096 + 24;

/// Whether the system lets no file beside `file` grow beyond its size: SQLite tells a full disk from
/// other failures, but not a quota that is used up, or a limit to the size of files.
pub(super) fn may_not_grow(file: &Path) -> bool {
    let probe = file.with_extension("probe");
    let said = fs::metadata(file).and_then(|file| write(&probe, file.len()));
    // Where it was not made there is none.
    let _ = fs::remove_file(&probe);
    said.is_err_and(|error| means_full(error.kind()))
}

fn write(probe: &Path, at: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .open(probe)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(&[0; FRAME])?;
    file.sync_data()
}

const fn means_full(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_may_grow_is_told_from_what_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("queue.db-wal");
        assert!(!may_not_grow(&file), "there is no such file");
        fs::write(&file, [1; 10]).unwrap();
        assert!(!may_not_grow(&file));
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing is left behind: {left:?}");
        assert!(means_full(ErrorKind::FileTooLarge) && !means_full(ErrorKind::Other));
    }
}
