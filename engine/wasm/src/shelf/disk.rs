//! The folder on disk.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::record::Record;

/// Held by the process that writes to the folder.
const LOCK: &str = "lock";
const RECORD: &str = "record.json";
/// What was not finished when a process ended.
const UNFINISHED: &str = "unfinished";

/// The folder, which is ours to write to once it is claimed.
pub(super) struct Disk {
    folder: PathBuf,
    /// Given back with the process, however that ends.
    lock: Option<File>,
}

impl Disk {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            lock: None,
        }
    }

    /// Takes the folder for this process, and makes it where it is missing.
    pub(super) fn claim(&mut self) -> Result<(), String> {
        let at = self.folder.join(LOCK);
        // Where the folder was removed and made again, others see another file.
        if self.lock.as_ref().is_some_and(|lock| is_at(lock, &at)) {
            return Ok(());
        }
        self.lock = None;
        let wrong = |what: &str, error: io::Error| {
            format!(
                "the state of the policies cannot be kept: {} {what}: {error}",
                self.folder.display()
            )
        };
        fs::create_dir_all(&self.folder).map_err(|error| wrong("cannot be made", error))?;
        let lock = File::create(&at).map_err(|error| wrong("cannot be written", error))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => wrong(
                "is in use",
                io::Error::other(
                    "another process serves by it; give each its own `policies.state`",
                ),
            ),
            fs::TryLockError::Error(error) => wrong("cannot be locked", error),
        })?;
        self.lock = Some(lock);
        Ok(())
    }

    /// The records that can be read, and whether the folder could be looked through.
    pub(super) fn records(&self) -> (HashMap<String, Record>, Result<(), String>) {
        let mut records = HashMap::new();
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (records, Ok(())),
            Err(error) => {
                let why = format!(
                    "the state of the policies cannot be read: {}: {error}",
                    self.folder.display()
                );
                return (records, Err(why));
            }
        };
        for entry in entries.flatten() {
            match record_in(&entry.path()) {
                Some(Ok(record)) => {
                    records.insert(record.policy.clone(), record);
                }
                Some(Err(why)) => tracing::error!("{why}"),
                None => {}
            }
        }
        (records, Ok(()))
    }

    /// What there is of a policy whose record cannot be read: its builds, and nobody knows which of
    /// them was chosen.
    pub(super) fn unread(&self, policy: &str) -> Option<Record> {
        let folder = self.of(policy);
        let why = record_in(&folder)?.err()?;
        Some(Record {
            policy: policy.to_owned(),
            builds: builds_in(&folder),
            unread: Some(why),
            ..Record::default()
        })
    }

    /// Writes what the folder does not have: builds, then the record; then removes the builds that
    /// it does not name.
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

/// The record of a policy's folder, if there is one.
fn record_in(folder: &Path) -> Option<Result<Record, String>> {
    let file = folder.join(RECORD);
    let read = match fs::read(&file) {
        Ok(text) => Record::read(&text),
        Err(error) if is_no_record(&error) => return None,
        Err(error) => Err(error.to_string()),
    };
    Some(read.map_err(|why| {
        format!(
            "what was chosen for a policy is not known, as {} cannot be read: {why}",
            file.display()
        )
    }))
}

fn is_no_record(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The revisions of the builds in a policy's folder, the one that was kept first before the others.
fn builds_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut builds: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let digest = name.strip_suffix(".wasm")?.to_owned();
            Some((entry.metadata().ok()?.modified().ok()?, digest))
        })
        .collect();
    builds.sort();
    let digests = builds.into_iter().map(|(_, digest)| digest);
    digests.map(|digest| format!("sha256:{digest}")).collect()
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let is = |(open, there): (fs::Metadata, fs::Metadata)| {
        (open.dev(), open.ino()) == (there.dev(), there.ino())
    };
    file.metadata()
        .and_then(|open| Ok((open, fs::metadata(path)?)))
        .is_ok_and(is)
}

#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
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

/// Writes a file, unless it is as it should be, so that it is there whole or not at all, whenever
/// the machine stops.
fn write(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (file, beside) = (
        folder.join(name),
        folder.join(format!("{name}.{UNFINISHED}")),
    );
    if fs::read(&file).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let mut new = File::create(&beside)?;
    new.write_all(bytes)?;
    new.sync_all()?;
    fs::rename(&beside, file)?;
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
