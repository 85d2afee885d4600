//! What must hold of every input, as functions from bytes, and the programs that look for bytes of
//! which it does not hold. A property that is broken panics.
//!
//! | target | its input |
//! |---|---|
//! | [`envelope`] | an entry as Redis keeps it; and any entry, written and read |
//! | [`queue`] | a change as write-behind queues keep it; and any change, written and read |
//! | [`key`] | tenant, namespace and key, twice, and a glob, with the byte 0xff between them |
//! | [`config`] | `larder.toml` |
//! | [`http`] | a digit that chooses the call, and its body |
//!
//! `tests/run` looks for half a minute with each. To look for long, or to try what was found again:
//!
//! ```sh
//! LARDER_FUZZ_SECONDS=3600 tests/fuzz/run            # all of them
//! LARDER_FUZZ_SECONDS=3600 tests/fuzz/run key http   # these
//! target/debug/fuzz-key target/fuzz/found/key-crash-...
//! ```
//!
//! `corpus` holds inputs to begin with, `words` what their texts are made of. The inputs are checked
//! by `cargo test` as well, without libFuzzer.

#![allow(
    clippy::expect_used,
    reason = "a property that does not hold ends the program, with the input kept"
)]

pub mod config;
pub mod envelope;
pub mod http;
pub mod key;
pub mod queue;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    fn holds(name: &str, check: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(name);
        let mut checked = 0;
        for file in fs::read_dir(folder).unwrap() {
            check(&fs::read(file.unwrap().path()).unwrap());
            checked += 1;
        }
        assert!(checked >= 3, "{name} has {checked} inputs");
    }

    mod the_corpus_holds {
        macro_rules! targets {
            ($($name:ident),+) => {
                $(
                    #[test]
                    fn $name() {
                        super::holds(stringify!($name), crate::$name::check);
                    }
                )+
            };
        }

        targets! { config, envelope, http, key, queue }
    }
}
