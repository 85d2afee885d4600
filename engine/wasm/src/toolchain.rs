//! Who made a file, and what its authors should know: how to get rid of imports, and what their
//! language does that a policy must not rely on.

use crate::structure::Structure;

/// What made a file, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// componentize-py.
    Python,
    /// componentize-js, or jco without `--backend qjs`.
    StarlingMonkey,
    /// jco with `--backend qjs`, or componentize-qjs.
    QuickJs,
    AssemblyScript,
    TinyGo,
    Rust,
    /// clang, or `zig cc`.
    C,
    Unknown,
}

/// What a producer's name contains. Interpreters bring the C or Rust that they are made of along,
/// so they come first.
const SIGNS: [(&str, Toolchain); 8] = [
    ("componentize_py", Toolchain::Python),
    ("componentize-qjs", Toolchain::QuickJs),
    ("componentizejs", Toolchain::StarlingMonkey),
    ("assemblyscript", Toolchain::AssemblyScript),
    ("tinygo", Toolchain::TinyGo),
    ("rust", Toolchain::Rust),
    ("clang", Toolchain::C),
    ("zig", Toolchain::C),
];

/// What components hold somewhere whose makers do not say so themselves.
pub(crate) const MARKS: [&str; 2] = ["componentize_py", "componentize-qjs"];

/// What only AssemblyScript imports, which names no maker in its files.
const SCRIPT_CALLS: [&str; 5] = [
    "`env.abort`",
    "`env.seed`",
    "`env.trace`",
    "`env.console.",
    "`env.Date.",
];

/// What made the file.
pub(crate) fn of(structure: &Structure) -> Toolchain {
    let says = |sign: &str| structure.producers.iter().any(|name| name.contains(sign));
    let known = SIGNS.into_iter().find(|(sign, _)| says(sign));
    match known {
        Some((_, toolchain)) => toolchain,
        None if SCRIPT_CALLS.iter().any(|it| imports(structure, it)) => Toolchain::AssemblyScript,
        None => Toolchain::Unknown,
    }
}

fn imports(structure: &Structure, part: &str) -> bool {
    structure.imports.iter().any(|import| import.contains(part))
}

/// Whether the first import is what a linker makes of a memory, a table or a stack that others own.
fn handed_in(structure: &Structure) -> bool {
    let first = structure.imports.first();
    first.is_some_and(|import| !import.starts_with("function `") && import.contains("`env."))
}

impl Toolchain {
    /// What is wrong in silence with policies that it makes.
    pub(crate) fn notes(self) -> Vec<&'static str> {
        match self {
            Self::StarlingMonkey => vec![
                "JavaScript by componentize-js: `Date.now()` and `new Date()` stand at the moment of \
                 the build for ever, `Math.random()` is one fixed sequence and `performance.now()` \
                 traps; the time is `request.nowMs`, where the manifest says `usesClock`",
                DIGEST,
            ],
            Self::QuickJs => vec![
                "JavaScript by QuickJS: without WASI `Date.now()`, `new Date()` and `Math.random()` \
                 cannot be relied on; the time is `request.nowMs`, where the manifest says `usesClock`",
                DIGEST,
            ],
            Self::Python => vec![
                "Python by componentize-py: with `--stub-wasi` `time.time()` and `random` cannot be \
                 relied on; the time is `request.now_ms`, where the manifest says `uses_clock`",
                DIGEST,
            ],
            _ => Vec::new(),
        }
    }

    const fn without_wasi(self) -> &'static str {
        match self {
            Self::Python => "give `componentize-py componentize` `--stub-wasi`",
            Self::StarlingMonkey => {
                "give componentize-js `--disable stdio random clocks http fetch-event` (`-d all` in jco)"
            }
            Self::QuickJs => {
                "give jco `--backend-qjs-stub-wasi --backend-qjs-disable-async` (componentize-qjs: \
                 `--stub-wasi --sync`)"
            }
            Self::TinyGo => "build for TinyGo's target `wasm-unknown`",
            Self::Rust => "build for wasm32-unknown-unknown, as `larder build` does",
            Self::C => {
                "leave stdio out (printf and snprintf bring it) or use `zig cc`, whose snprintf needs none"
            }
            Self::AssemblyScript => "build without `--config` or a library of WASI",
            Self::Unknown => {
                "build for wasm32-unknown-unknown in Rust, with `--stub-wasi` in Python, with \
                 `--backend qjs --backend-qjs-stub-wasi --backend-qjs-disable-async` in jco, without \
                 stdio in C"
            }
        }
    }
}

const DIGEST: &str = "the same source gives other bytes with each build, so keep the file that was \
    built: `policies.allow`, `policies.retire` and rollbacks go by its digest";

/// How to get rid of the imports that a file has.
pub(crate) fn advice(structure: &Structure) -> String {
    let toolchain = of(structure);
    let all = "a policy imports nothing";
    if imports(structure, "wasi") {
        return format!("that is WASI: {}; {all}", toolchain.without_wasi());
    }
    if imports(structure, "__wbindgen") {
        return format!(
            "that is wasm-bindgen, for browsers, which features named `wasmbind`, `js` or `wasm_js` \
             bring; chrono's `wasmbind` is on by default, so give chrono `default-features = false`, \
             and `cargo tree -i wasm-bindgen --target wasm32-unknown-unknown` says who else asks for \
             it; {all}"
        );
    }
    if imports(structure, "`env.__linear_memory`") {
        return format!(
            "that is an object, as `-c` leaves it, and no module yet: link it with `wasm-ld` or \
             without `-c`; {all}"
        );
    }
    if handed_in(structure) {
        return format!(
            "it was linked to be given its memory from outside: leave out `--import-memory` \
             (AssemblyScript's `--importMemory`), `--import-table`, `-shared` and `-fPIC`; {all}"
        );
    }
    if toolchain == Toolchain::AssemblyScript {
        return format!(
            "that is AssemblyScript: `--use abort=` takes `env.abort` away, `env.seed` goes with \
             `Math.random`, and `env.trace`, `env.console` and `env.Date` go with the calls of these; {all}"
        );
    }
    if toolchain == Toolchain::C {
        return format!(
            "the linker found no such function and was told to let that pass: leave out \
             `--allow-undefined`, and link what has it (wasi-libc, compiler-rt); {all}"
        );
    }
    format!("{all}: what it may know comes in with the request")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_by(producers: &[&str], imports: &[&str]) -> Structure {
        let mut structure = Structure::read(b"\0asm\x01\0\0\0").unwrap();
        structure.producers = producers.iter().map(ToString::to_string).collect();
        structure.imports = imports.iter().map(ToString::to_string).collect();
        structure
    }

    #[test]
    fn interpreters_are_known_before_what_they_are_made_of() {
        for (producers, toolchain) in [
            (
                &["clang", "rustc", "componentize_py"] as &[&str],
                Toolchain::Python,
            ),
            (
                &["clang", "rust", "componentizejs"],
                Toolchain::StarlingMonkey,
            ),
            (&["clang", "componentize-qjs"], Toolchain::QuickJs),
            (&["rust", "clang"], Toolchain::Rust),
            (&["clang"], Toolchain::C),
            (&["wit-component"], Toolchain::Unknown),
            (&[], Toolchain::Unknown),
        ] {
            assert_eq!(of(&made_by(producers, &[])), toolchain, "{producers:?}");
        }
        for call in ["env.seed", "env.trace", "env.console.log", "env.Date.now"] {
            let script = made_by(&[], &[&format!("function `{call}`")]);
            assert_eq!(of(&script), Toolchain::AssemblyScript);
        }
    }

    #[test]
    fn who_is_told_to_leave_wasi_is_told_in_the_words_of_the_toolchain() {
        let wasi = ["function `wasi_snapshot_preview1.fd_write`"];
        for (producer, words) in [
            ("rust", "wasm32-unknown-unknown"),
            ("componentize_py", "--stub-wasi"),
            ("componentizejs", "--disable stdio"),
            ("componentize-qjs", "--backend-qjs-disable-async"),
            ("clang", "zig cc"),
            ("tinygo", "wasm-unknown"),
            ("something", "in Rust, with `--stub-wasi` in Python"),
        ] {
            let text = advice(&made_by(&[producer], &wasi));
            assert!(
                text.starts_with("that is WASI: ") && text.contains(words),
                "{text}"
            );
        }
        let script = advice(&made_by(&[], &["function `env.abort`"]));
        assert!(script.contains("--use abort="), "{script}");
        let browser = advice(&made_by(
            &["rust"],
            &["function `__wbindgen_placeholder__.x`"],
        ));
        assert!(
            browser.contains("default-features = false")
                && browser.contains("cargo tree -i wasm-bindgen --target")
        );
        for shared in [
            "memory `env.memory`",
            "global `env.__stack_pointer`",
            "table `env.t`",
        ] {
            let text = advice(&made_by(&["clang"], &[shared]));
            assert!(text.contains("leave out `--import-memory`"), "{text}");
        }
        let object = advice(&made_by(&["clang"], &["memory `env.__linear_memory`"]));
        assert!(object.contains("without `-c`"), "{object}");
        let undefined = advice(&made_by(&["clang"], &["function `env.realloc`"]));
        assert!(
            undefined.contains("leave out `--allow-undefined`"),
            "{undefined}"
        );
        let other = advice(&made_by(&[], &["function `env.now`"]));
        assert!(other.contains("comes in with the request"), "{other}");
    }

    #[test]
    fn authors_are_told_of_clocks_that_stand_still() {
        for producer in ["componentize_py", "componentizejs", "componentize-qjs"] {
            let notes = of(&made_by(&[producer], &[])).notes();
            assert!(
                notes
                    .iter()
                    .any(|note| note.contains("the time is `request.now"))
            );
            assert!(notes.iter().any(|note| note.contains("`policies.allow`")));
        }
        assert!(of(&made_by(&["rust"], &[])).notes().is_empty());
    }
}
