//! One state for all that differ in nothing that matters.

use crate::state::{Entry, LOADS, Load, Read, State};

impl State {
    /// Orders what is interchangeable, the free places first. Tokens follow their loads.
    pub(crate) fn order(&mut self) {
        let rank = |at: &u8| {
            let (lease, rightful) = (self.store.lease, self.promise.lease);
            let load = self.loads[usize::from(*at)];
            (load, lease == Some(*at), rightful == Some(*at))
        };
        let mut order: [u8; LOADS] = [0, 1, 2];
        order.sort_by_key(rank);
        if order != [0, 1, 2] {
            let renamed = |token: u8| order.iter().position(|at| *at == token).map(|at| at as u8);
            self.store.lease = self.store.lease.and_then(renamed);
            self.promise.lease = self.promise.lease.and_then(renamed);
            self.loads = order.map(|at| self.loads[usize::from(at)]);
        }
        for node in &mut self.nodes {
            node.reads.sort_unstable();
        }
    }

    /// Forgets what a bump has made void in the store, in loads and in reads under way. Versions
    /// only grow and are compared for equality, so an entry under a past one is never answered
    /// again: it is as good as none, and its value as good as any. First levels are left alone,
    /// as they may not know of the bump. Right only where versions are compared: mutants do
    /// without.
    pub(crate) fn forget_void(&mut self) {
        let tag = self.store.tag;
        self.store.entry = self.store.entry.filter(|entry| entry.version == tag);
        for load in &mut self.loads {
            match load {
                Load::Versioned { version } | Load::Leased { version } if *version < tag => {
                    *version = 0;
                }
                Load::Fetched { entry } if entry.version < tag => {
                    let (value, version) = (0, 0);
                    *entry = Entry { value, version };
                }
                Load::Idle
                | Load::Versioned { .. }
                | Load::Leased { .. }
                | Load::Fetched { .. } => {}
            }
        }
        for read in self.nodes.iter_mut().flat_map(|node| &mut node.reads) {
            if let Read::Entry { entry, .. } = read
                && entry.version < tag
            {
                *read = Read::Idle;
            }
        }
    }
}
