//! Which crate brings which, from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;

use crate::timings::Crate;

/// The crates of a build and what they depend on, for running and for building.
pub(crate) struct Graph {
    needs: BTreeMap<Crate, BTreeSet<Crate>>,
    own: BTreeSet<Crate>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

impl Graph {
    /// Asks cargo in the folder of this process.
    ///
    /// # Errors
    /// Where cargo fails.
    pub(crate) fn ask() -> Result<Self> {
        let asked = Command::new("cargo")
            .args(["metadata", "--format-version=1"])
            .output()
            .context("cargo cannot be started")?;
        let error = String::from_utf8_lossy(&asked.stderr);
        ensure!(asked.status.success(), "cargo metadata failed: {error}");
        Self::read(&asked.stdout)
    }

    fn read(metadata: &[u8]) -> Result<Self> {
        let metadata: Metadata =
            serde_json::from_slice(metadata).context("cargo's metadata cannot be read")?;
        let packages = metadata.packages.into_iter();
        let names: BTreeMap<String, Crate> = packages
            .map(|package| (package.id, (package.name, package.version)))
            .collect();
        let name = |id: &String| names.get(id).cloned().context("a package without a name");
        let mut needs = BTreeMap::new();
        for node in &metadata.resolve.nodes {
            let edges = node.deps.iter();
            let edges = edges.filter(|edge| !edge.dep_kinds.iter().all(Kind::is_for_tests));
            let needed: Result<_> = edges.map(|edge| name(&edge.pkg)).collect();
            needs.insert(name(&node.id)?, needed?);
        }
        let own: Result<_> = metadata.workspace_members.iter().map(name).collect();
        Ok(Self { needs, own: own? })
    }

    /// Whether this is a crate of the workspace.
    pub(crate) fn is_own(&self, one: &Crate) -> bool {
        self.own.contains(one)
    }

    /// Returns what can be reached from `roots` without going through `without`, roots included.
    pub(crate) fn reach(&self, roots: &[Crate], without: Option<&Crate>) -> BTreeSet<Crate> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<&Crate> = roots.iter().collect();
        while let Some(one) = open.pop() {
            if Some(one) != without && seen.insert(one.clone()) {
                open.extend(self.needs.get(one).into_iter().flatten());
            }
        }
        seen
    }

    /// Returns the foreign crates that `users` name themselves.
    pub(crate) fn direct(&self, users: &BTreeSet<Crate>) -> BTreeSet<Crate> {
        let named = users.iter().filter(|user| self.is_own(user));
        let named = named.filter_map(|user| self.needs.get(user)).flatten();
        named.filter(|one| !self.is_own(one)).cloned().collect()
    }
}

impl Kind {
    fn is_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{
        "packages": [
            {"id": "app", "name": "app", "version": "0.1.0"},
            {"id": "big", "name": "big", "version": "1.0.0"},
            {"id": "part", "name": "part", "version": "1.0.0"},
            {"id": "both", "name": "both", "version": "1.0.0"},
            {"id": "check", "name": "check", "version": "1.0.0"}
        ],
        "workspace_members": ["app"],
        "resolve": {"nodes": [
            {"id": "app", "deps": [
                {"pkg": "big", "dep_kinds": [{"kind": null}]},
                {"pkg": "both", "dep_kinds": [{"kind": "build"}]},
                {"pkg": "check", "dep_kinds": [{"kind": "dev"}]}
            ]},
            {"id": "big", "deps": [
                {"pkg": "part", "dep_kinds": [{"kind": null}]},
                {"pkg": "both", "dep_kinds": [{"kind": null}]}
            ]},
            {"id": "part", "deps": []},
            {"id": "both", "deps": []},
            {"id": "check", "deps": []}
        ]}
    }"#;

    fn named(name: &str) -> Crate {
        let version = if name == "app" { "0.1.0" } else { "1.0.0" };
        (name.to_owned(), version.to_owned())
    }

    #[test]
    fn what_only_one_crate_brings_is_out_of_reach_without_it() {
        let graph = Graph::read(METADATA.as_bytes()).unwrap();
        let all = graph.reach(&[named("app")], None);
        let without = graph.reach(&[named("app")], Some(&named("big")));
        let gone: Vec<Crate> = all.difference(&without).cloned().collect();
        assert_eq!(gone, [named("big"), named("part")]);
    }

    #[test]
    fn what_tests_alone_need_is_not_of_the_build() {
        let graph = Graph::read(METADATA.as_bytes()).unwrap();
        let all = graph.reach(&[named("app")], None);
        assert!(!all.contains(&named("check")));
        let direct = graph.direct(&all);
        assert_eq!(
            direct.into_iter().collect::<Vec<_>>(),
            [named("big"), named("both")]
        );
    }
}
