//! Guests in WebAssembly text, in the shape that the SDK's build gives: a core module with the
//! canonical functions and a `component-type` section.

use std::fmt::Write as _;

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const CONTRACT: &str = include_str!("../../../../sdk/wit/v0.1.0/policy.wit");
const DATA: u32 = 1024;

/// A guest, part by part; a hostile one replaces the part with which it attacks.
///
/// The default one answers the request's id as key, the first shown attribute's value as
/// namespace, the number of shown attributes as `soft_timeout_ms` and the time that it is told as
/// `ttl_ms`. `admit` answers the load's size as `ttl_ms`, the number of shown response attributes
/// as `negative_ttl_ms` and the length of the shown body as `time_to_idle_ms`.
#[derive(Clone)]
pub(crate) struct Guest {
    pub(crate) version: &'static str,
    pub(crate) request_attributes: &'static [&'static str],
    pub(crate) response_attributes: &'static [&'static str],
    pub(crate) uses_clock: bool,
    pub(crate) reads_body: bool,
    pub(crate) memory: &'static str,
    /// Further items of the module; imports must come first in it.
    pub(crate) items: String,
    pub(crate) describe: &'static str,
    pub(crate) configure: &'static str,
    pub(crate) decide: &'static str,
    pub(crate) realloc: &'static str,
    pub(crate) post_decide: &'static str,
    /// Put into memory at 4096.
    pub(crate) data: &'static str,
    /// Whether `admit` is exported.
    pub(crate) admit: bool,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            version: "1.0.0",
            request_attributes: &[],
            response_attributes: &[],
            uses_clock: false,
            reads_body: false,
            memory: "1",
            items: String::new(),
            describe: "",
            configure: "",
            decide: "",
            realloc: "",
            post_decide: "",
            data: "",
            admit: true,
        }
    }
}

/// What a guest keeps in its memory from the start.
struct Data(Vec<u8>);

impl Data {
    fn align(&mut self) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(8), 0);
        DATA + u32::try_from(self.0.len()).unwrap()
    }

    fn bytes(&mut self, bytes: &[u8]) -> u32 {
        let at = self.align();
        self.0.extend_from_slice(bytes);
        at
    }

    fn string(&mut self, text: &str) -> [u32; 2] {
        [
            self.bytes(text.as_bytes()),
            u32::try_from(text.len()).unwrap(),
        ]
    }

    fn words(&mut self, words: &[u32]) -> u32 {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bytes(&bytes)
    }

    fn strings(&mut self, texts: &[&str]) -> [u32; 2] {
        let words: Vec<u32> = texts.iter().flat_map(|text| self.string(text)).collect();
        [self.words(&words), u32::try_from(texts.len()).unwrap()]
    }

    fn escaped(&self) -> String {
        self.0.iter().fold(String::new(), |mut text, byte| {
            write!(text, "\\{byte:02x}").unwrap();
            text
        })
    }
}

impl Guest {
    /// The module's bytes.
    pub(crate) fn build(&self) -> Vec<u8> {
        self.build_for(CONTRACT)
    }

    /// The module's bytes, under another contract.
    pub(crate) fn build_for(&self, contract: &str) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).unwrap();
        let mut resolve = Resolve::default();
        let package = resolve.push_str("policy.wit", contract).unwrap();
        let world = resolve.select_world(&[package], Some("policy")).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }

    /// The module's bytes without the section that says which contract it speaks.
    pub(crate) fn build_bare(&self) -> Vec<u8> {
        wat::parse_str(self.text()).unwrap()
    }

    fn text(&self) -> String {
        let mut data = Data(Vec::new());
        let [name, version, summary] = ["test", self.version, ""].map(|text| data.string(text));
        let requests = data.strings(self.request_attributes);
        let responses = data.strings(self.response_attributes);
        let flags = u32::from_le_bytes([self.uses_clock.into(), self.reads_body.into(), 1, 0]);
        let mut words = [name, version, summary, requests, responses].concat();
        words.push(flags);
        let manifest = data.words(&words);
        let decision = data.bytes(&[0; 128]);
        let admission = data.bytes(&[0; 88]);
        let configured = data.bytes(&[0; 12]);
        let Self {
            memory,
            items,
            describe,
            configure,
            decide,
            realloc,
            post_decide,
            ..
        } = self;
        let own = self.data;
        let admit = if self.admit { "(export \"admit\")" } else { "" };
        let bytes = data.escaped();
        format!(
            r#"(module
  {items}
  (memory (export "memory") {memory})
  (data (i32.const {DATA}) "{bytes}")
  (data (i32.const 4096) "{own}")
  (global $heap (mut i32) (i32.const 16384))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    {realloc}
    (global.set $heap (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get 3))))
  (func (export "describe") (result i32) {describe} (i32.const {manifest}))
  (func (export "configure") (param $at i32) (param $len i32) (result i32)
    {configure} (i32.const {configured}))
  (func (export "decide")
    (param $operation i32) (param $tenant i32) (param $tenant_len i32)
    (param $resource i32) (param $resource_len i32) (param $id i32) (param $id_len i32)
    (param $attributes i32) (param $count i32) (param $now i64) (result i32)
    (local $r i32)
    (local.set $r (i32.const {decision}))
    {decide}
    (i32.store8 offset=8 (local.get $r) (i32.const 2))
    (i32.store offset=12 (local.get $r) (local.get $id))
    (i32.store offset=16 (local.get $r) (local.get $id_len))
    (i64.store offset=32 (local.get $r) (local.get $now))
    (i32.store offset=100 (local.get $r) (local.get $count))
    (i32.store offset=24 (local.get $r) (i32.const 0))
    (if (local.get $count) (then
      (i32.store offset=20 (local.get $r) (i32.load offset=8 (local.get $attributes)))
      (i32.store offset=24 (local.get $r) (i32.load offset=12 (local.get $attributes)))))
    (local.get $r))
  (func (export "cabi_post_decide") (param i32)
    {post_decide} (global.set $heap (i32.const 16384)))
  (func {admit} (param $in i32) (result i32)
    (local $r i32)
    (local.set $r (i32.const {admission}))
    (i32.store8 offset=8 (local.get $r) (i32.const 1))
    (i64.store offset=16 (local.get $r) (i64.load offset=176 (local.get $in)))
    (i64.store offset=56 (local.get $r) (i64.load32_u offset=192 (local.get $in)))
    (i64.store offset=32 (local.get $r) (i64.mul
      (i64.load8_u offset=196 (local.get $in))
      (i64.load32_u offset=204 (local.get $in))))
    (local.get $r)))"#
        )
    }
}
