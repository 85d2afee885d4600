//! The folder of the policy files.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// The ending of policy files.
const ENDING: &str = "wasm";

/// The file of a module.
pub(crate) fn path_of(dir: &Path, module: &str) -> PathBuf {
    dir.join(format!("{module}.{ENDING}"))
}

/// Whether a path has the name of a policy file.
pub(crate) fn is_module(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    path.extension().is_some_and(|ending| ending == ENDING)
        && stem.is_some_and(|stem| !stem.starts_with('.'))
}

/// The stems of all policy files, sorted.
pub(crate) fn modules(dir: &Path) -> io::Result<Vec<String>> {
    let mut stems = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        if let (true, Some(stem)) = (is_module(&path), stem) {
            stems.push(stem.to_owned());
        }
    }
    stems.sort();
    Ok(stems)
}

/// The bytes of a module's file, or `None` if there is no such file. Never more than one byte
/// beyond `most`, which is enough to tell that the file is too large.
pub(crate) fn read(dir: &Path, module: &str, most: usize) -> io::Result<Option<Vec<u8>>> {
    let path = path_of(dir, module);
    match fs::metadata(&path) {
        // A pipe or a device could keep the reader waiting for ever.
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::other("it is not a regular file"));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Ok(_) | Err(_) => {}
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    match File::open(&path) {
        Ok(file) => file.take(most.saturating_add(1)).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(bytes))
}
