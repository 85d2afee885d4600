//! What a file consists of, read without compiling it.
//!
//! Compilation cannot be interrupted, so what would make it long or large is refused before.

use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, TypeRef};

use crate::contract::version_of_import;
use crate::limits::Limits;

const WASM_MAGIC: &[u8] = b"\0asm";
const PAGE_BYTES: u64 = 64 << 10;

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
    table_elements: u64,
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
            table_elements: 0,
            depth: 0,
        };
        for payload in Parser::new(0).parse_all(bytes) {
            payload
                .and_then(|payload| structure.take(payload))
                .map_err(|error| format!("it is cut off or damaged: {error}"))?;
        }
        Ok(structure)
    }

    /// Compares with the limits.
    ///
    /// # Errors
    /// Names the limit that is passed.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), String> {
        let checks: [(&str, u64, u64); 5] = [
            ("modules", self.modules, limits.modules.into()),
            ("functions", self.functions, limits.functions.into()),
            (
                "body_bytes",
                self.largest_body as u64,
                limits.body_bytes as u64,
            ),
            (
                "memory_bytes",
                self.memory_bytes,
                limits.memory_bytes as u64,
            ),
            (
                "table_elements",
                self.table_elements,
                limits.table_elements as u64,
            ),
        ];
        for (limit, found, most) in checks {
            if found > most {
                return Err(format!(
                    "it has {found} {}, more than {most}; raise the policy's limit `{limit}` if that is meant",
                    words(limit)
                ));
            }
        }
        Ok(())
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
                }
            }
            Payload::TableSection(tables) => {
                for table in tables {
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

fn words(limit: &str) -> &'static str {
    match limit {
        "modules" => "core modules",
        "functions" => "functions",
        "body_bytes" => "bytes in one function",
        "memory_bytes" => "bytes of memory from the start",
        _ => "elements in one table from the start",
    }
}

fn not_wasm(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "it is not WebAssembly: the file is empty".into();
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(16)]);
    format!("it is not WebAssembly: it begins with {head:?}")
}
