//! The fields of `larder.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use larder::core::{Guard, Strategy};
use larder::wasm::{Isolation, Limits};
use serde::Deserialize;
use toml::Table;
use wildmatch::WildMatch;

use super::token::Tokens;
use crate::units::{Size, Span};

/// The whole file. Tables whose fields depend on their `type` are read later.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct File {
    pub(super) server: Server,
    pub(super) store: Table,
    pub(super) policies: Policies,
    pub(super) policy: Vec<Policy>,
    pub(super) route: Vec<Route>,
    pub(super) origin: BTreeMap<String, Table>,
    pub(super) vault: Option<super::vault::Table>,
    pub(super) write_behind: Option<super::write_behind::Table>,
    pub(super) guard: GuardTable,
    pub(super) log: Log,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Server {
    pub(super) listen: String,
    pub(super) admin: String,
    pub(super) token: Tokens,
    pub(super) max_in_flight: Option<usize>,
    pub(super) body_max: Option<Size>,
    pub(super) header_timeout: Option<Span>,
    pub(super) request_timeout: Option<Span>,
    pub(super) drain: Option<Span>,
    pub(super) lease_secret: Option<String>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:7117".to_owned(),
            admin: "127.0.0.1:7118".to_owned(),
            token: Tokens::default(),
            max_in_flight: None,
            body_max: None,
            header_timeout: None,
            request_timeout: None,
            drain: None,
            lease_secret: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Policies {
    pub(super) dir: PathBuf,
    pub(super) poll: Option<Span>,
    pub(super) debounce: Option<Span>,
    pub(super) watch: bool,
    pub(super) retire: bool,
    pub(super) state: PathBuf,
    pub(super) allow: Vec<String>,
    pub(super) limits: LimitsTable,
}

impl Default for Policies {
    fn default() -> Self {
        Self {
            dir: "policies".into(),
            poll: None,
            debounce: None,
            watch: true,
            retire: false,
            state: "policies-state".into(),
            allow: Vec::new(),
            limits: LimitsTable::default(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) module: Option<String>,
    #[serde(default)]
    pub(super) settings: Table,
    #[serde(default)]
    pub(super) isolation: Isolation,
    #[serde(default)]
    pub(super) limits: Option<LimitsTable>,
    pub(super) on_failure: Option<OnFailureWord>,
    pub(super) default_decision: Option<DefaultDecisionTable>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnFailureWord {
    Bypass,
    DefaultDecision,
    Deny,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefaultDecisionTable {
    pub(super) strategy: Strategy,
    pub(super) ttl: Span,
    pub(super) stale_if_error: Option<Span>,
    pub(super) negative_ttl: Option<Span>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    #[serde(default)]
    pub(super) invalidates: Invalidates,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Invalidates {
    pub(super) tags: Vec<String>,
    pub(super) namespaces: Vec<String>,
}

/// What a policy may use; what is left out has the default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsTable {
    deadline: Option<Span>,
    memory: Option<Size>,
    file: Option<Size>,
    functions: Option<u32>,
    body: Option<Size>,
    modules: Option<u32>,
    core_instances: Option<usize>,
    memories: Option<usize>,
    tables: Option<usize>,
    table_elements: Option<usize>,
    output: Option<Size>,
    calls_per_instance: Option<u64>,
    instances: Option<usize>,
}

impl LimitsTable {
    /// The limits over `base`.
    pub(super) fn over(&self, base: &Limits) -> Limits {
        Limits {
            deadline_ms: self.deadline.map_or(base.deadline_ms, Span::ms),
            memory_bytes: self.memory.map_or(base.memory_bytes, Size::bytes),
            file_bytes: self.file.map_or(base.file_bytes, Size::bytes),
            functions: self.functions.unwrap_or(base.functions),
            body_bytes: self.body.map_or(base.body_bytes, Size::bytes),
            modules: self.modules.unwrap_or(base.modules),
            core_instances: self.core_instances.unwrap_or(base.core_instances),
            memories: self.memories.unwrap_or(base.memories),
            tables: self.tables.unwrap_or(base.tables),
            table_elements: self.table_elements.unwrap_or(base.table_elements),
            output_bytes: self.output.map_or(base.output_bytes, Size::bytes),
            calls_per_instance: self.calls_per_instance.unwrap_or(base.calls_per_instance),
            instances: self.instances.unwrap_or(base.instances),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) resource: String,
    pub(super) policy: String,
    pub(super) origin: Option<String>,
    /// How long entries of older builds of the policy are served.
    #[serde(default)]
    pub(super) older: larder::Older,
}

impl Route {
    pub(super) fn into_route(self) -> larder::Route {
        larder::Route {
            resource: self.resource,
            policy: self.policy,
            origin: self.origin,
            older: self.older,
        }
    }
}

/// The operator's limits on decisions; what is left out has the default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GuardTable {
    ttl_max: Option<Span>,
    stale_max: Option<Span>,
    timeout_max: Option<Span>,
    key_max: Option<Size>,
    tag_max: Option<Size>,
    tags_max: Option<usize>,
    invalidates_max: Option<usize>,
    protected: Vec<String>,
}

impl GuardTable {
    pub(super) fn limits(&self) -> Guard {
        let base = Guard::default();
        let timeout = self.timeout_max.map(Span::ms);
        Guard {
            ttl_max_ms: self.ttl_max.map_or(base.ttl_max_ms, Span::ms),
            stale_max_ms: self.stale_max.map_or(base.stale_max_ms, Span::ms),
            timeout_max_ms: timeout.map_or(base.timeout_max_ms, |ms| {
                u32::try_from(ms).unwrap_or(u32::MAX)
            }),
            key_max_bytes: self.key_max.map_or(base.key_max_bytes, Size::bytes),
            tag_max_bytes: self.tag_max.map_or(base.tag_max_bytes, Size::bytes),
            tags_max: self.tags_max.unwrap_or(base.tags_max),
            invalidates_max: self.invalidates_max.unwrap_or(base.invalidates_max),
            protected: self.protected.iter().map(|p| WildMatch::new(p)).collect(),
        }
    }
}

/// How the server logs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Log {
    /// None means text on a terminal and JSON elsewhere.
    pub(crate) format: Option<LogFormat>,
    /// What is logged: `info` by default, or directives such as `info,larder=debug`.
    pub(crate) level: Option<String>,
}

/// The shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object on each line, for programs.
    Json,
}
