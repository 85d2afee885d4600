//! What a file consists of, read without compiling it.
//!
//! Compilation cannot be interrupted, so what would make it long or large is refused before.

use memchr::memmem;
use wasmparser::{
    ComponentTypeRef, Encoding, Instance, KnownCustom, Parser, Payload, ProducersSectionReader,
    TypeRef,
};

use crate::contract::version_of_import;
use crate::format::not_wasm;
use crate::limit::Limit;
use crate::toolchain;

const WASM_MAGIC: &[u8] = b"\0asm";
const PAGE_BYTES: u64 = 64 << 10;
const MOST_PRODUCERS: usize = 64;

/// Which of the two kinds of WebAssembly file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Module,
    Component,
}

/// What a file consists of.
#[derive(Debug)]
pub(crate) struct Structure {
    pub(crate) kind: Kind,
    /// Imports other than the contract's types, as `module.name` or the component's name.
    pub(crate) imports: Vec<String>,
    /// The version in the import of the contract's types, in a component.
    pub(crate) types_version: Option<String>,
    modules: u64,
    functions: u64,
    largest_body: usize,
    memory_bytes: u64,
    memories: u64,
    core_instances: u64,
    tables: u64,
    table_elements: u64,
    /// What it exports itself, by name.
    pub(crate) exports: Vec<String>,
    /// Who made it, in lower case: languages, compilers and tools, as they say themselves.
    pub(crate) producers: Vec<String>,
    depth: usize,
}

impl Structure {
    /// Reads the outline of `bytes`.
    ///
    /// # Errors
    /// Says what is not as it should be, and where.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        if !bytes.starts_with(WASM_MAGIC) {
            return Err(not_wasm(bytes));
        }
        let mut structure = Self {
            kind: Kind::Module,
            imports: Vec::new(),
            types_version: None,
            modules: 0,
            functions: 0,
            largest_body: 0,
            memory_bytes: 0,
            memories: 0,
            core_instances: 0,
            tables: 0,
            table_elements: 0,
            exports: Vec::new(),
            producers: Vec::new(),
            depth: 0,
        };
        for payload in Parser::new(0).parse_all(bytes) {
            payload
                .and_then(|payload| structure.take(payload))
                .map_err(|error| format!("it is cut off or damaged: {error}"))?;
        }
        if structure.kind == Kind::Component {
            let here = |mark: &&&str| memmem::find(bytes, mark.as_bytes()).is_some();
            let found = toolchain::MARKS.iter().filter(here);
            let found = found.map(|mark| (*mark).to_owned());
            structure.producers.extend(found);
        }
        Ok(structure)
    }

    /// What is counted, by the limit that bounds it.
    pub(crate) fn counted(&self) -> [(Limit, u64); 8] {
        [
            (Limit::Modules, self.modules),
            (Limit::Functions, self.functions),
            (Limit::Body, self.largest_body as u64),
            (Limit::Memory, self.memory_bytes),
            (Limit::Memories, self.memories),
            (Limit::CoreInstances, self.core_instances),
            (Limit::Tables, self.tables),
            (Limit::TableElements, self.table_elements),
        ]
    }

    /// One line for people.
    pub(crate) fn summary(&self) -> String {
        let kind = match self.kind {
            Kind::Module => "core module",
            Kind::Component => "component",
        };
        let (functions, pages) = (self.functions, self.memory_bytes / PAGE_BYTES);
        format!("{kind}, {functions} functions, {pages} pages of memory")
    }

    fn take(&mut self, payload: Payload<'_>) -> wasmparser::Result<()> {
        match payload {
            Payload::Version { encoding, .. } => {
                if self.depth == 0 && encoding == Encoding::Component {
                    self.kind = Kind::Component;
                }
                self.modules += u64::from(encoding == Encoding::Module);
                self.depth += 1;
            }
            Payload::End(_) => self.depth = self.depth.saturating_sub(1),
            Payload::CodeSectionStart { count, .. } => self.functions += u64::from(count),
            Payload::CodeSectionEntry(body) => {
                let range = body.range();
                self.largest_body = self.largest_body.max(range.end - range.start);
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let bytes = memory?.initial.saturating_mul(PAGE_BYTES);
                    self.memory_bytes = self.memory_bytes.saturating_add(bytes);
                    self.memories += 1;
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
                    self.tables += 1;
                    self.table_elements = self.table_elements.max(table?.ty.initial);
                }
            }
            Payload::ImportSection(imports) if self.depth == 1 => {
                for import in imports.into_imports() {
                    let import = import?;
                    let what = kind_of(&import.ty);
                    self.imports
                        .push(format!("{} `{}.{}`", what, import.module, import.name));
                }
            }
            Payload::InstanceSection(instances) => {
                for instance in instances {
                    let made = matches!(instance?, Instance::Instantiate { .. });
                    self.core_instances += u64::from(made);
                }
            }
            Payload::ExportSection(exports) if self.depth == 1 => {
                for export in exports {
                    self.exports.push(export?.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if self.depth == 1 => {
                for export in exports {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Producers(fields) = section.as_known() {
                    // What cannot be read there says nothing, and breaks nothing.
                    let _ = self.produced(fields);
                }
            }
            Payload::ComponentImportSection(imports) if self.depth == 1 => {
                for import in imports {
                    let import = import?;
                    self.component_import(import.name.name, &import.ty);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn produced(&mut self, fields: ProducersSectionReader<'_>) -> wasmparser::Result<()> {
        for field in fields {
            for value in field?.values {
                let name = value?.name.to_lowercase();
                if self.producers.len() < MOST_PRODUCERS && !self.producers.contains(&name) {
                    self.producers.push(name);
                }
            }
        }
        Ok(())
    }

    fn component_import(&mut self, name: &str, ty: &ComponentTypeRef) {
        match (ty, version_of_import(name)) {
            // A world that uses types of an interface imports that interface, and no code with it.
            (ComponentTypeRef::Type(_), _) => {}
            (ComponentTypeRef::Instance(_), Some(version)) => {
                self.types_version = Some(version.to_owned());
            }
            _ => self.imports.push(format!("`{name}`")),
        }
    }
}

const fn kind_of(ty: &TypeRef) -> &'static str {
    match ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => "function",
        TypeRef::Table(_) => "table",
        TypeRef::Memory(_) => "memory",
        TypeRef::Global(_) => "global",
        TypeRef::Tag(_) => "tag",
    }
}
