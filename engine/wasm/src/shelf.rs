//! What lasts: the latest builds of each policy that served, and what an operator chose among them.
//!
//! On disk a policy has a folder with its builds, each a file named by its SHA-256, and a record
//! that lists them. A build is written before the record that names it and removed after the one
//! that does not, and every file appears whole or not at all, so that the end of the process at any
//! moment leaves an earlier state or a later one.

mod disk;
mod record;

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use self::disk::Disk;
pub(crate) use self::record::Record;
use crate::load::revision_of;

/// The files of builds, by revision.
pub(crate) type Files = Vec<(String, Arc<[u8]>)>;

/// Keeps builds and choices for one host, and for the one that takes its place. What the disk does
/// not take is kept in memory and written later, as all is in memory where there is no disk.
pub(crate) struct Shelf {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    disk: Option<Disk>,
    records: HashMap<String, Record>,
    /// The builds that the records name, as far as this process has loaded them: the disk may lose
    /// its own.
    builds: HashMap<String, Files>,
    /// The policies whose records the disk does not have.
    waiting: BTreeSet<String>,
    /// Why the disk does not take them.
    trouble: Option<String>,
    /// Whose word counts; see [`Shelf::take`].
    holder: u64,
    /// How many have asked for a ticket.
    tickets: u64,
}

impl Shelf {
    /// Reads what `folder` has kept; none keeps everything in memory. A folder that cannot be
    /// written is in the log and in [`Shelf::trouble`], and no reason not to serve; what was chosen
    /// before holds, if it can be read.
    pub(crate) fn open(folder: Option<&Path>) -> Self {
        let mut state = State::default();
        if let Some(folder) = folder {
            let mut disk = Disk::new(folder);
            let claimed = disk.claim();
            let (records, read) = disk.records();
            state.records = records;
            if let Err(why) = claimed.and(read) {
                tracing::warn!(state = %folder.display(), "{why}; policies serve as it was chosen before, as far as that can be read, and a new rollback or pin ends with this process unless the folder can be written later");
                state.trouble = Some(why);
            }
            state.disk = Some(disk);
        }
        Self {
            state: Mutex::new(state),
        }
    }

    /// Names one host among those that use this shelf.
    pub(crate) fn ticket(&self) -> u64 {
        let mut state = self.state.lock();
        state.tickets += 1;
        state.tickets
    }

    /// From now on the host of this ticket says what is kept, and no other: one that is about to
    /// end, or that never comes to serve, still sees files come.
    pub(crate) fn take(&self, ticket: u64) {
        self.state.lock().holder = ticket;
    }

    /// Whether the host of this ticket says what is kept.
    pub(crate) fn is_held_by(&self, ticket: u64) -> bool {
        self.state.lock().holder == ticket
    }

    /// What is kept of a policy.
    pub(crate) fn record(&self, policy: &str) -> Record {
        let state = self.state.lock();
        if let Some(known) = state.records.get(policy) {
            return known.clone();
        }
        let disk = state.disk.as_ref();
        disk.and_then(|disk| disk.unread(policy))
            .unwrap_or_default()
    }

    /// Why what was done last would not survive the process, if so.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.state.lock().trouble.clone()
    }

    /// Keeps `record` of `policy`, as the host of `ticket` has it, with the builds that this host
    /// has loaded.
    pub(crate) fn keep(&self, ticket: u64, policy: &str, record: Record, files: Files) {
        let mut state = self.state.lock();
        if state.holder != ticket {
            return;
        }
        let kept = state.builds.entry(policy.to_owned()).or_default();
        for (revision, bytes) in files {
            if !kept.iter().any(|(known, _)| *known == revision) {
                kept.push((revision, bytes));
            }
        }
        kept.retain(|(revision, _)| record.builds.contains(revision));
        state.records.insert(policy.to_owned(), record);
        state.waiting.insert(policy.to_owned());
        state.write();
    }

    /// Writes what the disk did not take, if it does now.
    pub(crate) fn retry(&self) {
        let mut state = self.state.lock();
        if state.trouble.is_some() {
            state.write();
        }
    }

    /// The bytes of a kept build.
    ///
    /// # Errors
    /// Says why they cannot be had: they are gone, or not the ones that were kept.
    pub(crate) fn build(&self, policy: &str, revision: &str) -> Result<Arc<[u8]>, String> {
        let state = self.state.lock();
        let mut known = state.builds.get(policy).into_iter().flatten();
        if let Some((_, bytes)) = known.find(|(known, _)| known == revision) {
            return Ok(Arc::clone(bytes));
        }
        let Some(disk) = &state.disk else {
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

impl State {
    /// Writes every record that waits, until the disk refuses one.
    fn write(&mut self) {
        let Some(disk) = &mut self.disk else {
            self.waiting.clear();
            return;
        };
        let mut written = disk.claim();
        while let (Ok(()), Some(policy)) = (&written, self.waiting.first()) {
            let record = self.records.get(policy).cloned().unwrap_or_default();
            let files = self.builds.get(policy).map_or(&[][..], Vec::as_slice);
            written = disk.keep(policy, &record, files);
            if written.is_ok() {
                self.waiting.pop_first();
            }
        }
        let trouble = written.err();
        if self.trouble == trouble {
            return;
        }
        match &trouble {
            None => tracing::info!("the state of the policies is kept again"),
            Some(why) => tracing::warn!(
                "{why}; the policies serve on, and what was chosen for them ends with this process \
                 unless the folder can be written later"
            ),
        }
        self.trouble = trouble;
    }
}

#[cfg(test)]
mod tests;
