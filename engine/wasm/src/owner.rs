//! The one thread that loads, swaps and retires policies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use crate::clock::now_ms;
use crate::config::HostConfig;
use crate::engine::Runtime;
use crate::error::HostError;
use crate::folder;
use crate::generation::Generation;
use crate::limits::Isolation;
use crate::load::{Log, Plan, load, revision_of};
use crate::set::{Set, Shared};
use crate::shelf::Shelf;
use crate::slot::Slot;
use crate::stage::{LoadFailure, Stage};
use crate::status::PolicyStatus;
use crate::watch::{LINKS_EVERY, Watch};

/// Fewer digits of a digest name no build.
const DIGITS_MIN: usize = 8;

/// How a caller waits for the answer.
pub(crate) type Reply<T> = SyncSender<T>;

/// What the owner is asked to do.
pub(crate) enum Command {
    /// Something in the folder may have changed.
    Changed,
    /// Look through the folder, and say when that is done.
    Rescan(Reply<()>),
    /// Try the policy's file again, even if it has failed before.
    Reload(String, Reply<Result<PolicyStatus, HostError>>),
    /// Let the build before the serving one serve, and pin it.
    Rollback(String, Reply<Result<PolicyStatus, HostError>>),
    /// Pin to a kept build, or unpin.
    Pin(
        String,
        Option<String>,
        Reply<Result<PolicyStatus, HostError>>,
    ),
    /// Keep what serves and what was chosen: this host takes another's place.
    Keep,
    /// End.
    Stop,
}

/// Owns all policies. File events, the slow poll and the API all come through its one queue, so
/// two of them never load the same file at once.
pub(crate) struct Owner {
    config: HostConfig,
    runtime: Arc<Runtime>,
    slots: BTreeMap<String, Slot>,
    shared: Shared,
    shelf: Arc<Shelf>,
    /// This host's at the shelf.
    ticket: u64,
    /// Builds that are kept no longer but may still answer a call. They are dropped here and not
    /// by the last caller, because unmapping their code takes long.
    retired: Vec<Arc<Generation>>,
}

impl Owner {
    pub(crate) fn new(
        config: HostConfig,
        runtime: Arc<Runtime>,
        shared: Shared,
        shelf: Arc<Shelf>,
        ticket: u64,
    ) -> Self {
        let mut slots = BTreeMap::new();
        for policy in &config.policies {
            let plan = Plan {
                name: policy.name.clone(),
                module: policy.module.clone(),
                settings: policy.settings.clone(),
                isolation: policy.isolation,
                limits: policy.limits.clone(),
            };
            register(&policy.name);
            let slot = Slot::new(Arc::new(plan), true, shelf.record(&policy.name));
            slots.insert(policy.name.clone(), slot);
        }
        Self {
            config,
            runtime,
            slots,
            shared,
            shelf,
            ticket,
            retired: Vec::new(),
        }
    }

    /// Works until it is told to stop or every sender is gone.
    pub(crate) fn run(mut self, commands: &Receiver<Command>, mut watch: Option<Watch>) {
        let poll = self.config.poll.max(Duration::from_millis(1));
        let mut next_poll = Instant::now() + poll;
        loop {
            self.restore();
            let mut wait = next_poll.saturating_duration_since(Instant::now());
            if watch.is_some() {
                wait = wait.min(LINKS_EVERY);
            }
            match commands.recv_timeout(wait) {
                Ok(Command::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(command) => {
                    follow(watch.as_mut());
                    self.execute(command);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let due = Instant::now() >= next_poll;
                    if due || watch.as_mut().is_some_and(Watch::has_moved) {
                        follow(watch.as_mut());
                        self.rescan();
                    }
                    if due {
                        next_poll = Instant::now() + poll;
                    }
                }
            }
            self.retired
                .retain(|generation| Arc::strong_count(generation) > 1);
        }
        drop(watch);
    }

    // A caller that no longer waits for its reply is no failure, so sending it may fail.
    fn execute(&mut self, command: Command) {
        match command {
            Command::Changed => self.rescan(),
            Command::Rescan(reply) => {
                self.rescan();
                let _ = reply.try_send(());
            }
            Command::Reload(name, reply) => {
                let _ = reply.try_send(self.reload(&name));
            }
            Command::Rollback(name, reply) => {
                let _ = reply.try_send(self.rollback(&name));
            }
            Command::Pin(name, revision, reply) => {
                let _ = reply.try_send(self.pin(&name, revision.as_deref()));
            }
            Command::Keep => {
                self.slots.values().for_each(|slot| self.bring(slot));
                self.publish();
            }
            Command::Stop => {}
        }
    }

    /// Looks through the folder once.
    pub(crate) fn rescan(&mut self) {
        self.discover();
        let names: Vec<String> = self.slots.keys().cloned().collect();
        for name in names {
            self.with(&name, |owner, slot| owner.look(slot, false));
        }
        self.slots
            .retain(|_, slot| slot.configured || slot.present || slot.current().is_some());
        self.shelf.retry();
        self.publish();
    }

    /// Finds modules that no configured policy names.
    fn discover(&mut self) {
        let modules = match folder::modules(&self.config.dir) {
            Ok(modules) => modules,
            Err(error) => {
                let dir = self.config.dir.display();
                tracing::warn!(%dir, %error, "the policy folder cannot be listed; what is loaded serves on");
                return;
            }
        };
        for module in modules {
            let named = self
                .config
                .policies
                .iter()
                .any(|policy| policy.module == module);
            if named || self.slots.contains_key(&module) {
                continue;
            }
            let plan = Plan {
                name: module.clone(),
                module: module.clone(),
                settings: serde_json::Value::Object(serde_json::Map::new()),
                isolation: Isolation::default(),
                limits: self.config.defaults.clone(),
            };
            register(&module);
            let record = self.shelf.record(&module);
            self.slots
                .insert(module, Slot::new(Arc::new(plan), false, record));
        }
    }

    fn reload(&mut self, name: &str) -> Result<PolicyStatus, HostError> {
        self.discover();
        self.change(name, |owner, slot| {
            owner.look(slot, true);
            Ok(())
        })
    }

    fn rollback(&mut self, name: &str) -> Result<PolicyStatus, HostError> {
        self.change(name, |owner, slot| {
            let Some(before) = slot.before_current() else {
                return Err(HostError::NoPrevious(name.to_owned()));
            };
            slot.record.rolled_back = slot.current().map(|current| current.revision().to_owned());
            slot.record.pinned = Some(before.revision().to_owned());
            owner.serve(slot, &before, "rolled_back");
            Ok(())
        })
    }

    fn pin(&mut self, name: &str, revision: Option<&str>) -> Result<PolicyStatus, HostError> {
        self.change(name, |owner, slot| {
            let Some(revision) = revision else {
                slot.record.pinned = None;
                slot.record.rolled_back = None;
                slot.record.unread = None;
                owner.keep(slot);
                owner.look(slot, false);
                return Ok(());
            };
            let kept = owner.find(slot, revision)?;
            slot.record.pinned = Some(kept.revision().to_owned());
            slot.record.rolled_back = None;
            slot.record.unread = None;
            owner.serve(slot, &kept, "pinned");
            Ok(())
        })
    }

    /// A build that is kept, by its revision with or without `sha256:`, or as much of the digest as
    /// tells it from the others.
    fn find(&self, slot: &Slot, revision: &str) -> Result<Arc<Generation>, HostError> {
        let name = slot.plan.name.clone();
        let digest = revision.trim_start_matches("sha256:");
        let all = slot.record.builds.iter();
        let is = |one: &&String| one.trim_start_matches("sha256:").starts_with(digest);
        let all: Vec<_> = all.filter(is).collect();
        let ([known], true) = (all.as_slice(), digest.len() >= DIGITS_MIN) else {
            let revision = larder_core::request::clip(revision);
            return Err(HostError::UnknownRevision { name, revision });
        };
        let known = known.as_str();
        if let Some(kept) = slot.kept(known) {
            return Ok(kept);
        }
        let found = self.off_shelf(&slot.plan, known);
        found.map_err(|why| HostError::NotKept {
            name,
            revision: known.to_owned(),
            why,
        })
    }

    fn change(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Self, &mut Slot) -> Result<(), HostError>,
    ) -> Result<PolicyStatus, HostError> {
        let unknown = || HostError::UnknownPolicy(larder_core::request::clip(name));
        let changed = self.with(name, |owner, slot| {
            change(owner, slot).map(|()| slot.status(owner.shelf.trouble().as_ref()))
        });
        self.publish();
        changed.ok_or_else(unknown)?
    }

    /// Takes the slot out while it is worked on, so that the work may use the rest of `self`.
    fn with<T>(&mut self, name: &str, work: impl FnOnce(&mut Self, &mut Slot) -> T) -> Option<T> {
        let mut slot = self.slots.remove(name)?;
        let result = work(self, &mut slot);
        self.slots.insert(name.to_owned(), slot);
        Some(result)
    }

    /// Lets the slot's file serve, or else what served before this process.
    fn look(&mut self, slot: &mut Slot, again: bool) {
        if let Some(why) = slot.record.unread.clone() {
            slot.present = folder::path_of(&self.config.dir, &slot.plan.module).exists();
            return failed(slot, unchosen(&why), None);
        }
        self.try_file(slot, again);
        if slot.current().is_none() {
            self.recover(slot);
        }
    }

    /// Lets the build serve that an operator pinned, or that served last.
    fn recover(&mut self, slot: &mut Slot) {
        let pinned = slot.record.pinned.clone();
        let Some(revision) = pinned.clone().or_else(|| slot.record.serving.clone()) else {
            return;
        };
        match self.off_shelf(&slot.plan, &revision) {
            Ok(build) => {
                let (failure, failed) = (slot.failure.take(), slot.failed.take());
                self.serve(slot, &build, "kept");
                (slot.failure, slot.failed) = (failure, failed);
            }
            Err(why) if pinned.is_some() => {
                let reason = format!(
                    "the policy is pinned to {revision}, which cannot serve: {why}; put that file \
                     into the policy folder, or unpin the policy"
                );
                let failure = LoadFailure {
                    stage: Stage::Read,
                    reason,
                    revision: Some(revision),
                };
                failed(slot, failure, None);
            }
            Err(why) => {
                let policy = &slot.plan.name;
                tracing::warn!(
                    policy,
                    revision,
                    "the build that served last does not serve: {why}"
                );
                slot.record.serving = None;
            }
        }
    }

    /// Loads the builds from before this process, so that an operator can go back to them.
    fn restore(&mut self) {
        let names = self.slots.iter().filter(|(_, slot)| !slot.is_restored);
        let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        for name in &names {
            self.with(name, |owner, slot| {
                slot.is_restored = true;
                for revision in slot.record.builds.clone() {
                    if slot.kept(&revision).is_some() {
                        continue;
                    }
                    match owner.off_shelf(&slot.plan, &revision) {
                        Ok(build) => slot.shelve(build),
                        Err(why) => tracing::warn!(
                            policy = name,
                            revision,
                            "an earlier build cannot be gone back to: {why}"
                        ),
                    }
                }
            });
        }
        if !names.is_empty() {
            self.publish();
        }
    }

    fn off_shelf(&self, plan: &Plan, revision: &str) -> Result<Arc<Generation>, String> {
        let bytes = self.shelf.build(&plan.name, revision)?;
        let loaded = self.load(&bytes, plan);
        loaded.map(Arc::new).map_err(|failure| failure.to_string())
    }

    fn load(&self, bytes: &[u8], plan: &Plan) -> Result<Generation, LoadFailure> {
        let (allow, runtime) = (&self.config.allow, &self.runtime);
        load(bytes, plan, allow, runtime, now_ms(), &mut Log::default())
    }

    /// Loads the slot's file if it is not what serves already.
    fn try_file(&mut self, slot: &mut Slot, again: bool) {
        let plan = slot.plan.clone();
        let bytes = match folder::read(&self.config.dir, &plan.module, plan.limits.file_bytes) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return missing(slot),
            Err(error) => {
                slot.present = true;
                let reason = format!("the file cannot be read: {error}");
                let failure = LoadFailure {
                    stage: Stage::Read,
                    reason,
                    revision: None,
                };
                return failed(slot, failure, None);
            }
        };
        slot.present = true;
        let revision = revision_of(&bytes);
        if slot
            .current()
            .is_some_and(|current| current.revision() == revision)
        {
            slot.failure = None;
            slot.failed = None;
            return;
        }
        if !again && slot.failed.as_ref() == Some(&revision) {
            return;
        }
        if let Some(pinned) = slot
            .record
            .pinned
            .clone()
            .filter(|pinned| *pinned != revision)
        {
            if slot.current().is_none() {
                // Nothing but what is pinned may serve, and it comes from elsewhere.
                return;
            }
            let reason = format!("the policy is pinned to {pinned}; unpin it to load this file");
            let failure = LoadFailure {
                stage: Stage::AllowList,
                reason,
                revision: Some(revision),
            };
            return failed(slot, failure, None);
        }
        if let Some(kept) = slot.kept(&revision) {
            return self.serve(slot, &kept, "loaded");
        }
        match self.load(&bytes, &plan) {
            Ok(generation) => self.serve(slot, &Arc::new(generation), "loaded"),
            Err(failure) => failed(slot, failure, Some(revision)),
        }
    }

    fn serve(&mut self, slot: &mut Slot, next: &Arc<Generation>, result: &'static str) {
        let (policy, revision) = (slot.plan.name.clone(), next.revision().to_owned());
        // What is only tried serves nobody yet.
        if self.shelf.is_held_by(self.ticket) {
            tracing::info!(policy, revision, result, "policy serves");
            count(policy, result);
        }
        self.retired.extend(slot.serve(next));
        self.keep(slot);
    }

    /// Keeps what this host serves in the place of another, and tells where that is another build.
    fn bring(&self, slot: &Slot) {
        let policy = slot.plan.name.clone();
        let before = self.shelf.record(&policy).serving;
        if let Some(revision) = slot.current().map(|current| current.revision())
            && before.as_deref() != Some(revision)
        {
            tracing::info!(policy, revision, result = "loaded", "policy serves");
            count(policy, "loaded");
        }
        self.keep(slot);
    }

    fn keep(&self, slot: &Slot) {
        // Nothing was chosen yet, and what is there may be mended.
        if slot.record.unread.is_none() {
            let (name, record) = (&slot.plan.name, slot.record.clone());
            self.shelf.keep(self.ticket, name, record, slot.files());
        }
    }

    fn publish(&self) {
        let not_kept = self.shelf.trouble();
        let set = Set::new(self.slots.values(), not_kept);
        self.shared.store(Arc::new(set));
    }
}

/// Watches where the folder is now, if it is watched.
fn follow(watch: Option<&mut Watch>) {
    if let Some(Err(error)) = watch.map(Watch::follow) {
        tracing::debug!(%error, "not all of the policy folder is watched; it is polled");
    }
}

fn unchosen(why: &str) -> LoadFailure {
    LoadFailure {
        stage: Stage::Read,
        reason: format!(
            "{why}; make it readable and start anew, pin the policy to one of its builds, or unpin it \
             to let the file in the policy folder serve"
        ),
        revision: None,
    }
}

fn missing(slot: &mut Slot) {
    let (policy, module) = (&slot.plan.name, &slot.plan.module);
    if slot.present || (slot.current().is_none() && slot.failure.is_none()) {
        tracing::warn!(
            policy,
            module,
            "the policy's file is not in the folder; what is loaded serves on"
        );
    }
    // Where a build is pinned the file matters to nobody.
    if slot.current().is_some() || slot.record.pinned.is_none() {
        slot.failure = slot.current().is_none().then(|| LoadFailure {
            stage: Stage::Read,
            reason: format!("there is no file `{module}.wasm` in the policy folder"),
            revision: None,
        });
    }
    slot.present = false;
    slot.failed = None;
}

fn failed(slot: &mut Slot, failure: LoadFailure, revision: Option<String>) {
    if slot.failure.as_ref() != Some(&failure) {
        let (policy, stage) = (&slot.plan.name, failure.stage.as_str());
        let serving = slot.current().map(|current| current.revision());
        tracing::warn!(
            policy,
            stage,
            reason = failure.reason,
            serving,
            "the policy's file does not serve"
        );
        count(policy.clone(), "failed");
    }
    slot.failure = Some(failure);
    slot.failed = revision;
}

/// At zero before the first, which an alert on the rate would miss.
fn register(policy: &str) {
    for result in ["loaded", "rolled_back", "pinned", "kept", "failed"] {
        let policy = policy.to_owned();
        let _ = metrics::counter!("larder_policy_reloads_total", "policy" => policy, "result" => result);
    }
}

fn count(policy: String, result: &'static str) {
    metrics::counter!("larder_policy_reloads_total", "policy" => policy, "result" => result)
        .increment(1);
}
