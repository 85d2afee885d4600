//! The folder on disk.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::Record;

/// Held by the process that uses the folder.
const LOCK: &str = "lock";
const RECORD: &str = "record.json";
/// What was not finished when a process ended.
const UNFINISHED: &str = "unfinished";

/// A folder that is ours.
pub(super) struct Disk {
    folder: PathBuf,
    /// Given back with the process, however that ends.
    _lock: File,
}

impl Disk {
    /// Takes the folder, makes it where it is missing, and reads its records. A record that cannot
    /// be read is in the log, and left where it is until its policy serves another build.
    pub(super) fn open(folder: &Path) -> Result<(Self, HashMap<String, Record>), String> {
        let wrong = |what: &str, error: io::Error| {
            format!(
                "the state of the policies cannot be kept: {} {what}: {error}",
                folder.display()
            )
        };
        fs::create_dir_all(folder).map_err(|error| wrong("cannot be made", error))?;
        let lock =
            File::create(folder.join(LOCK)).map_err(|error| wrong("cannot be written", error))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => wrong(
                "is in use",
                io::Error::other(
                    "another process serves by it; give each its own `policies.state`",
                ),
            ),
            fs::TryLockError::Error(error) => wrong("cannot be locked", error),
        })?;
        let disk = Self {
            folder: folder.to_owned(),
            _lock: lock,
        };
        let records = disk
            .records()
            .map_err(|error| wrong("cannot be read", error))?;
        Ok((disk, records))
    }

    fn records(&self) -> io::Result<HashMap<String, Record>> {
        let mut records = HashMap::new();
        for entry in fs::read_dir(&self.folder)? {
            let file = entry?.path().join(RECORD);
            let text = match fs::read(&file) {
                Ok(text) => text,
                Err(error) if is_no_record(&error) => continue,
                Err(error) => {
                    tracing::warn!(file = %file.display(), "what was kept of a policy cannot be read: {error}");
                    continue;
                }
            };
            match Record::read(&text) {
                Ok(record) => {
                    records.insert(record.policy.clone(), record);
                }
                Err(why) => {
                    tracing::error!(
                        file = %file.display(),
                        "what was kept of a policy is damaged, so a rollback or a pin of it is forgotten: {why}"
                    );
                }
            }
        }
        Ok(records)
    }

    /// Writes the builds, then the record, then removes the builds that it does not name.
    pub(super) fn keep(
        &self,
        policy: &str,
        record: &Record,
        builds: &[(String, Arc<[u8]>)],
    ) -> Result<(), String> {
        let folder = self.of(policy);
        let written = (|| {
            fs::create_dir_all(&folder)?;
            for (revision, bytes) in builds {
                write(&folder, &file_name(revision), bytes)?;
            }
            write(&folder, RECORD, &record.text()?)?;
            sync(&self.folder)
        })();
        written.map_err(|error: io::Error| {
            format!(
                "what serves as `{policy}` cannot be kept in {}: {error}",
                folder.display()
            )
        })?;
        if let Err(error) = tidy(&folder, record) {
            tracing::debug!(
                policy,
                "old builds stay in the state of the policies: {error}"
            );
        }
        Ok(())
    }

    /// The file of a build and what is in it.
    pub(super) fn read(&self, policy: &str, revision: &str) -> (PathBuf, io::Result<Vec<u8>>) {
        let file = self.of(policy).join(file_name(revision));
        let read = fs::read(&file);
        (file, read)
    }

    fn of(&self, policy: &str) -> PathBuf {
        self.folder.join(folder_name(policy))
    }
}

fn is_no_record(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// A name for the folder of any policy: no two policies share one, on any system.
fn folder_name(policy: &str) -> String {
    let mut name = String::from("policy-");
    for byte in policy.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            other => name.push_str(&format!("%{other:02X}")),
        }
    }
    // Longer ones no file system takes.
    if name.len() > 200 {
        let digest = crate::load::revision_of(policy.as_bytes());
        name = format!("policy-{}", file_name(&digest));
    }
    name
}

fn file_name(revision: &str) -> String {
    format!("{}.wasm", revision.trim_start_matches("sha256:"))
}

/// Writes a file so that it is there whole or not at all, whenever the machine stops.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!("{name}.{UNFINISHED}"));
    let mut file = File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, folder.join(name))?;
    sync(folder)
}

/// Makes the names in a folder durable.
fn sync(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

fn tidy(folder: &Path, record: &Record) -> io::Result<()> {
    let named: Vec<String> = record.builds.iter().map(|build| file_name(build)).collect();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != RECORD && !named.contains(&name) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}
