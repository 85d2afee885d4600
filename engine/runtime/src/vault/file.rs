//! The file of a key ring.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::KeyRingError;
use super::ring::TEXT_MAX;

const READ_MAX: u64 = TEXT_MAX as u64 + 1;

pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, KeyRingError> {
    let unreadable = |error: std::io::Error| KeyRingError::Unreadable {
        path: path.display().to_string(),
        why: error.to_string(),
    };
    // One byte more than a ring may have, so that it is told what it is and not cut off.
    let mut file = fs::File::open(path).map_err(unreadable)?.take(READ_MAX);
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

/// What to say where others than the owner of the file may read or change the keys.
#[cfg(unix)]
pub(super) fn exposed(path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = too_open(fs::metadata(path).ok()?.permissions().mode())?;
    let path = path.display();
    Some(format!(
        "the key ring {path} has mode {mode:04o}, so others than its owner can get at the keys; \
         `chmod 600 {path}` puts that right"
    ))
}

#[cfg(not(unix))]
pub(super) fn exposed(_path: &Path) -> Option<String> {
    None
}

pub(super) fn warn_if_exposed(path: &Path) {
    if let Some(warning) = exposed(path) {
        tracing::warn!("{warning}");
    }
}

/// The permissions, where they give others than the owner anything, or anybody execution.
#[cfg(unix)]
fn too_open(mode: u32) -> Option<u32> {
    let mode = mode & 0o777;
    (mode & !0o600 != 0).then_some(mode)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn only_the_owner_should_get_at_the_file() {
        for (mode, expected) in [
            (0o100_600, None),
            (0o100_400, None),
            (0o100_640, Some(0o640)),
            (0o100_644, Some(0o644)),
            (0o100_602, Some(0o602)),
        ] {
            assert_eq!(too_open(mode), expected, "{mode:o}");
        }
    }
}
