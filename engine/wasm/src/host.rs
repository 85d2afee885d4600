//! The host: loads the policies of a folder, keeps them up to date, and hands them out.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender, SyncSender};
use std::thread;

use larder_core::{Policies, Policy};

use crate::config::{HostConfig, PolicyConfig};
use crate::engine::Runtime;
use crate::error::HostError;
use crate::limits::Limits;
use crate::owner::{Command, Owner};
use crate::set::Shared;
use crate::shelf::Shelf;
use crate::status::PolicyStatus;
use crate::watch;

/// The policies of one folder. Reading never blocks; all changes go through one thread, which ends
/// when the host is dropped.
pub struct Host {
    shared: Shared,
    commands: Sender<Command>,
    shelf: Arc<Shelf>,
    ticket: u64,
}

impl Host {
    /// Loads every policy once, then keeps looking for changes. A file that does not load does not
    /// fail the start; it is shown by [`Host::status`].
    ///
    /// # Errors
    /// The folder is missing, the configuration contradicts itself, or the engine cannot start.
    pub fn start(config: HostConfig) -> Result<Arc<Self>, HostError> {
        let config = config.checked()?;
        let shelf = Shelf::open(config.state.as_deref());
        let ticket = shelf.ticket();
        shelf.take(ticket);
        Self::start_over(config, Arc::new(shelf), ticket)
    }

    /// Starts another host by `config`, to take the place of this one: what this one has kept, and
    /// what was chosen for its policies, holds for that one too, whatever `config.state` says. It is
    /// only looked at by the new one until that is told to [`Host::take_over`].
    ///
    /// # Errors
    /// As [`Host::start`]; this host goes on in any case, until it is dropped.
    pub fn succeeded_by(&self, config: HostConfig) -> Result<Arc<Self>, HostError> {
        let (config, ticket) = (config.checked()?, self.shelf.ticket());
        Self::start_over(config, Arc::clone(&self.shelf), ticket)
    }

    /// Keeps on disk from now on what serves here and what is chosen for it. The host that did so
    /// before keeps nothing any more.
    pub fn take_over(&self) {
        self.shelf.take(self.ticket);
        // Its thread ends with the host alone.
        let _ = self.commands.send(Command::Keep);
    }

    fn start_over(
        config: HostConfig,
        shelf: Arc<Shelf>,
        ticket: u64,
    ) -> Result<Arc<Self>, HostError> {
        let mut limits: Vec<_> = config
            .policies
            .iter()
            .map(|policy| &policy.limits)
            .collect();
        limits.push(&config.defaults);
        let runtime = Runtime::new(&limits, Runtime::slots(&limits))
            .map_err(|error| HostError::Start(error.to_string()))?;
        let (commands, inbox) = mpsc::channel();
        // Watched before the first look, so that no change falls between the two.
        let watch = config
            .watch
            .then(|| start_watch(&config, commands.clone()))
            .flatten();
        let shared = Shared::default();
        let mut owner = Owner::new(config, runtime, shared.clone(), Arc::clone(&shelf), ticket);
        owner.rescan();
        thread::Builder::new()
            .name("larder-policies".into())
            .spawn(move || owner.run(&inbox, watch))
            .map_err(|error| HostError::Start(error.to_string()))?;
        Ok(Arc::new(Self {
            shared,
            commands,
            shelf,
            ticket,
        }))
    }

    /// What is known of each policy, by name.
    #[must_use]
    pub fn status(&self) -> Vec<PolicyStatus> {
        self.shared.load().status()
    }

    /// Tries the policy's file again, even if it has failed before, and waits until that is done.
    /// A file that does not load is no error but in the status. Blocks: not for async code.
    ///
    /// # Errors
    /// There is no such policy.
    pub fn reload(&self, name: &str) -> Result<PolicyStatus, HostError> {
        self.ask(|reply| Command::Reload(name.to_owned(), reply))?
    }

    /// Looks through the whole folder and waits until that is done. Blocks: not for async code.
    pub fn rescan(&self) {
        if self.ask(Command::Rescan).is_err() {
            tracing::warn!("the policy host has stopped; the folder is not looked through");
        }
    }

    /// Lets the build before the serving one serve, and pins it, so that neither the file in the
    /// folder nor a restart brings the one after it back. Blocks: not for async code.
    ///
    /// # Errors
    /// There is no such policy, or no earlier build.
    pub fn rollback(&self, name: &str) -> Result<PolicyStatus, HostError> {
        self.ask(|reply| Command::Rollback(name.to_owned(), reply))?
    }

    /// Lets the kept build `revision` serve and nothing else, restarts included, until it is unpinned
    /// by `None`, which lets the file in the folder serve again. The first eight digits of a
    /// revision or more are enough. Blocks: not for async code.
    ///
    /// # Errors
    /// There is no such policy or build.
    pub fn pin(&self, name: &str, revision: Option<&str>) -> Result<PolicyStatus, HostError> {
        let revision = revision.map(str::to_owned);
        self.ask(|reply| Command::Pin(name.to_owned(), revision, reply))?
    }

    fn ask<T>(&self, command: impl FnOnce(SyncSender<T>) -> Command) -> Result<T, HostError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.commands
            .send(command(reply))
            .map_err(|_| HostError::Stopped)?;
        answer.recv().map_err(|_| HostError::Stopped)
    }
}

impl Policies for Host {
    fn current(&self, name: &str) -> Option<Arc<dyn Policy>> {
        let set = self.shared.load();
        let current = set.get(name)?.current()?;
        Some(current.clone())
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // The watcher holds a sender too, so the thread would not end by itself.
        let _ = self.commands.send(Command::Stop);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl HostConfig {
    /// The same, if a host could be started with it; looks at nothing but whether the folder is
    /// there.
    ///
    /// # Errors
    /// Says what contradicts itself.
    pub fn checked(mut self) -> Result<Self, HostError> {
        let path = self.dir.clone();
        fs::read_dir(&path).map_err(|source| HostError::Folder { path, source })?;
        check_limits("*", &self.defaults)?;
        for (at, policy) in self.policies.iter().enumerate() {
            let earlier = &self.policies[..at];
            if earlier.iter().any(|one| one.name == policy.name) {
                return Err(HostError::DuplicateName(policy.name.clone()));
            }
            check_policy(policy)?;
        }
        for entry in &mut self.allow {
            let digest = entry.trim_start_matches("sha256:").to_ascii_lowercase();
            if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(HostError::BadDigest(entry.escape_debug().to_string()));
            }
            *entry = digest;
        }
        Ok(self)
    }
}

fn check_policy(policy: &PolicyConfig) -> Result<(), HostError> {
    let (name, module) = (&policy.name, &policy.module);
    if module.is_empty() || module.starts_with('.') || module.contains(['/', '\\', '\0']) {
        return Err(HostError::BadModule(module.escape_debug().to_string()));
    }
    if !policy.settings.is_object() {
        return Err(HostError::BadSettings(name.clone()));
    }
    check_limits(name, &policy.limits)
}

fn check_limits(policy: &str, limits: &Limits) -> Result<(), HostError> {
    let policy = || policy.to_owned();
    let zero = limits.zero();
    zero.map_or(Ok(()), |limit| {
        Err(HostError::ZeroLimit {
            policy: policy(),
            limit,
        })
    })
}

fn start_watch(config: &HostConfig, commands: Sender<Command>) -> Option<watch::Watch> {
    let changed = move || {
        let _ = commands.send(Command::Changed);
    };
    watch::watch(&config.dir, config.debounce, changed)
        .inspect_err(|error| {
            tracing::warn!(%error, poll = ?config.poll, "no file events; the policy folder is only polled");
        })
        .ok()
}
