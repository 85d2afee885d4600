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

/// Where and how the server listens.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Server {
    /// The address of the data plane. Default: `"127.0.0.1:7117"`.
    pub(super) listen: String,
    /// The address of the admin plane, or `off`. Default: `"127.0.0.1:7118"`.
    pub(super) admin: String,
    /// Who may call.
    pub(super) token: Tokens,
    /// How many requests of the data plane are worked on at a time; those above are answered 503 at
    /// once. Default: `1024`.
    pub(super) max_in_flight: Option<usize>,
    /// The largest body of a request. Default: `"8MiB"`.
    pub(super) body_max: Option<Size>,
    /// How long a client may take to send the head of a request. Default: `"5s"`.
    pub(super) header_timeout: Option<Span>,
    /// How long a request may take from its head to its answer. Default: `"60s"`.
    pub(super) request_timeout: Option<Span>,
    /// How long requests that are under way may take to end after shutdown began. Default: `"10s"`.
    pub(super) drain: Option<Span>,
    /// How long a cache in front that many ask may keep an answer, at most what is left of its ttl:
    /// invalidations do not reach it, so by default such caches keep nothing. Default: `"0s"`.
    pub(super) shared_max_age: Option<Span>,
    /// Authenticates leases, at least 32 bytes; nodes that take each other's leases share it.
    /// Without it each start makes one.
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
            shared_max_age: None,
            lease_secret: None,
        }
    }
}

/// The folder of the policies.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Policies {
    /// The folder of the modules, `NAME.wasm`; it may be a link. Default: `"policies"`.
    pub(super) dir: PathBuf,
    /// How often the folder is looked through even if no file event came. Default: `"30s"`.
    pub(super) poll: Option<Span>,
    /// How long after a file event the folder is looked through. Default: `"100ms"`.
    pub(super) debounce: Option<Span>,
    /// Whether file events are listened to. Default: `true`.
    pub(super) watch: bool,
    /// Whether an entry counts as a miss once another build of its policy decides. Default:
    /// `false`.
    pub(super) retire: bool,
    /// Where the last three builds of each policy that served are kept, with pins and rollbacks,
    /// for this process alone; `off` keeps them in memory. Default: `"policies-state"`.
    pub(super) state: PathBuf,
    /// The SHA-256 digests of the modules that may run; an empty list allows any. Default: `[]`.
    pub(super) allow: Vec<String>,
    /// What each policy may use.
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

/// A policy under a name of its own. A module of the folder that none of these names runs under its
/// file's name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    /// Names it in routes, metrics and answers.
    pub(super) name: String,
    /// The name of its file without `.wasm`; without it, `name`.
    pub(super) module: Option<String>,
    /// What the policy reads when it is loaded; its README says what there is.
    #[serde(default)]
    pub(super) settings: Table,
    /// Whether decisions may share an instance of the module. Default: `"reuse"`.
    #[serde(default)]
    pub(super) isolation: Isolation,
    /// What it may use, over `[policies.limits]`.
    #[serde(default)]
    pub(super) limits: Option<LimitsTable>,
    /// What answers where it fails. Default: `"bypass"`.
    pub(super) on_failure: Option<OnFailureWord>,
    /// What `on_failure = "default_decision"` answers.
    pub(super) default_decision: Option<DefaultDecisionTable>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OnFailureWord {
    Bypass,
    DefaultDecision,
    Deny,
}

/// What answers for a policy that failed, under `on_failure = "default_decision"`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefaultDecisionTable {
    /// The caching pattern.
    pub(super) strategy: Strategy,
    /// How long a value may be served.
    pub(super) ttl: Span,
    /// How much longer it may be served while the origin fails. Default: `"0s"`.
    pub(super) stale_if_error: Option<Span>,
    /// How long it is remembered that there is no such thing. Default: `"0s"`.
    pub(super) negative_ttl: Option<Span>,
    /// The tags of its entries. Default: `[]`.
    #[serde(default)]
    pub(super) tags: Vec<String>,
    /// What a write makes stale.
    #[serde(default)]
    pub(super) invalidates: Invalidates,
}

/// What a write under the default decision makes stale; without any, writes are refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Invalidates {
    /// These tags. Default: `[]`.
    pub(super) tags: Vec<String>,
    /// These namespaces. Default: `[]`.
    pub(super) namespaces: Vec<String>,
}

/// What a policy may use; what is left out has the default.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct LimitsTable {
    /// The longest call, in time that the policy runs. Default: `"10ms"`.
    deadline: Option<Span>,
    /// The most memory of one instance. Default: `"16MiB"`.
    memory: Option<Size>,
    /// The largest module. Default: `"2MiB"`.
    file: Option<Size>,
    /// The most functions of a module. Default: `5000`.
    functions: Option<u32>,
    /// The longest body of one function. Default: `"128KiB"`.
    body: Option<Size>,
    /// The most core modules in one file. Default: `4`.
    modules: Option<u32>,
    /// The most core instances that one instance of the policy consists of. Default: `8`.
    core_instances: Option<usize>,
    /// The most linear memories of one instance. Default: `1`.
    memories: Option<usize>,
    /// The most tables of one instance. Default: `4`.
    tables: Option<usize>,
    /// The most elements of one table. Default: `10000`.
    table_elements: Option<usize>,
    /// The largest answer. Default: `"256KiB"`.
    output: Option<Size>,
    /// After so many calls an instance is replaced. Default: `10000`.
    calls_per_instance: Option<u64>,
    /// The most instances at one time. Default: `64`.
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

/// Which policy and which origin answer for a resource; the first that matches.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// The resources it answers for; `*` stands for any run of characters, `?` for one.
    pub(super) resource: String,
    /// The policy that decides.
    pub(super) policy: String,
    /// The origin that holds the truth; without one the application loads by itself.
    pub(super) origin: Option<String>,
    /// How long entries of older builds of the policy are served. Default:
    /// `"shorter_unless_admitted"`.
    #[serde(default)]
    pub(super) older: larder::Older,
    /// What becomes of a request whose query has parameters that the policy does not declare, or one
    /// more than once, where the origin reads queries or an application loads, and there of one with
    /// a context that it does not declare: both are added to the key, the cache is left alone, or the
    /// request is refused. Default: `"key"`.
    #[serde(default)]
    pub(super) undeclared: larder::Undeclared,
}

impl Route {
    pub(super) fn into_route(self) -> larder::Route {
        larder::Route {
            resource: self.resource,
            policy: self.policy,
            origin: self.origin,
            older: self.older,
            undeclared: self.undeclared,
        }
    }
}

/// The operator's limits on decisions; what is left out has the default.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GuardTable {
    /// The longest ttl. Default: `"1d"`.
    ttl_max: Option<Span>,
    /// The longest stale window. Default: `"1d"`.
    stale_max: Option<Span>,
    /// The longest time that a load may take. Default: `"60s"`.
    timeout_max: Option<Span>,
    /// The longest key. Default: `"4KiB"`.
    key_max: Option<Size>,
    /// The longest tag. Default: `"256B"`.
    tag_max: Option<Size>,
    /// The most tags of an entry. Default: `16`.
    tags_max: Option<usize>,
    /// The most that one write makes stale. Default: `64`.
    invalidates_max: Option<usize>,
    /// The resources whose values are encrypted whatever their policy says, as patterns. Default:
    /// `[]`.
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
    /// The shape of a line; without it, text on a terminal and JSON elsewhere.
    pub(crate) format: Option<LogFormat>,
    /// What is logged: a level, which means Larder itself, and directives such as
    /// `info,larder_store=debug`. Default: `"info"`.
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
