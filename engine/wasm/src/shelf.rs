//! What lasts: the latest builds of each policy that served, and what an operator chose among them.
//!
//! On disk a policy has a folder with its builds, each a file named by its SHA-256, and a record
//! that lists them. A build is written before the record that names it and removed after the one
//! that does not, and every file appears whole or not at all, so that the end of the process at any
//! moment leaves an earlier state or a later one.

mod disk;
mod record;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use self::disk::Disk;
pub(crate) use self::record::Record;
use crate::load::revision_of;

/// Keeps builds and choices for one host, and for the one that takes its place. What the disk does
/// not take is kept in memory, as all is where there is no disk.
pub(crate) struct Shelf {
    disk: Option<Disk>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    records: HashMap<String, Record>,
    /// Builds that are not on disk, by policy and revision.
    builds: HashMap<(String, String), Arc<[u8]>>,
    /// Why the disk does not take them.
    trouble: Option<String>,
}

impl Shelf {
    /// Reads what `folder` has kept; none keeps everything in memory. A folder that cannot be used
    /// is in the log and in [`Shelf::trouble`], and no reason not to serve.
    pub(crate) fn open(folder: Option<&Path>) -> Self {
        let mut state = State::default();
        let disk = folder.and_then(|folder| match Disk::open(folder) {
            Ok((disk, records)) => {
                state.records = records;
                Some(disk)
            }
            Err(why) => {
                tracing::warn!(state = %folder.display(), "{why}; policies serve, and a rollback or a pin ends with this process");
                state.trouble = Some(why);
                None
            }
        });
        Self {
            disk,
            state: Mutex::new(state),
        }
    }

    /// What is kept of a policy.
    pub(crate) fn record(&self, policy: &str) -> Record {
        let state = self.state.lock();
        state.records.get(policy).cloned().unwrap_or_default()
    }

    /// Why what was done last would not survive the process, if so.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state.lock().trouble.clone()
    }

    /// Keeps `record` of `policy`, and the bytes of the build that is new in it.
    pub(crate) fn keep(&self, policy: &str, record: Record, new: Option<(&str, &[u8])>) {
        let mut state = self.state.lock();
        let known = state.records.get(policy) == Some(&record) && state.trouble.is_none();
        if known && new.is_none_or(|(revision, _)| self.has(policy, revision)) {
            return;
        }
        if let Some((revision, bytes)) = new {
            let key = (policy.to_owned(), revision.to_owned());
            state.builds.insert(key, bytes.into());
        }
        let kept = |key: &(String, String)| key.0 != policy || record.builds.contains(&key.1);
        state.builds.retain(|key, _| kept(key));
        if let Some(disk) = &self.disk {
            let waiting: Vec<_> = state
                .builds
                .iter()
                .filter(|(key, _)| key.0 == policy)
                .map(|(key, bytes)| (key.1.clone(), Arc::clone(bytes)))
                .collect();
            match disk.keep(policy, &record, &waiting) {
                Ok(()) => {
                    state.builds.retain(|key, _| key.0 != policy);
                    if state.trouble.take().is_some() {
                        tracing::info!("the state of the policies is kept again");
                    }
                }
                Err(why) => {
                    if state.trouble.as_ref() != Some(&why) {
                        tracing::warn!(
                            policy,
                            "{why}; the policy serves on, and what was chosen for it ends with this process"
                        );
                    }
                    state.trouble = Some(why);
                }
            }
        }
        state.records.insert(policy.to_owned(), record);
    }

    /// Whether the disk has a build, whole; there is nothing to do where there is no disk.
    fn has(&self, policy: &str, revision: &str) -> bool {
        let read = self.disk.as_ref().map(|disk| disk.read(policy, revision).1);
        read.is_none_or(|read| read.is_ok_and(|bytes| revision_of(&bytes) == revision))
    }

    /// The bytes of a kept build.
    ///
    /// # Errors
    /// Says why they cannot be had: they are gone, or not the ones that were kept.
    pub(crate) fn build(&self, policy: &str, revision: &str) -> Result<Arc<[u8]>, String> {
        let key = (policy.to_owned(), revision.to_owned());
        if let Some(bytes) = self.state.lock().builds.get(&key) {
            return Ok(Arc::clone(bytes));
        }
        let Some(disk) = &self.disk else {
            return Err("it is not kept".to_owned());
        };
        let (file, read) = disk.read(policy, revision);
        let bytes = read.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        match revision_of(&bytes) {
            found if found == revision => Ok(bytes.into()),
            found => Err(format!(
                "{} is damaged: its digest is {found} and not the one in its name",
                file.display()
            )),
        }
    }
}

#[cfg(test)]
mod tests;
