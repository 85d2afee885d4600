//! The name under which a node shows its changes.

use std::fs;
use std::io;
use std::path::Path;

/// The file with it, in the folder of the queue.
pub(super) const FILE: &str = "node";

/// The name of a node, made at its first start and then kept beside its queue: with another one it
/// would never hide what it showed.
pub(super) fn node_name(dir: &Path) -> io::Result<String> {
    let path = dir.join(FILE);
    match fs::read_to_string(&path) {
        Ok(name) if name.len() == 16 => return Ok(name),
        // It broke off while it was written, and nothing was shown under it.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let name = format!("{:016x}", fastrand::u64(..));
    fs::write(&path, &name)?;
    fs::File::open(&path)?.sync_all()?;
    fs::File::open(dir)?.sync_all()?;
    Ok(name)
}
