//! What a file is that is not WebAssembly, and what makes it that.

/// What a kind of file begins with, what it is called, and what to do with it.
const KINDS: [(&[u8], &str, &str); 12] = [
    (b"\x1f\x8b", "a gzip", "unpack it: `gunzip`"),
    (
        b"\x28\xb5\x2f\xfd",
        "compressed by zstd",
        "unpack it: `zstd -d`",
    ),
    (b"BZh", "compressed by bzip2", "unpack it: `bunzip2`"),
    (b"\xfd7zXZ", "compressed by xz", "unpack it: `unxz`"),
    (b"PK\x03\x04", "a zip", "unpack it: `unzip`"),
    (
        b"!<arch>",
        "a library of objects (`.a`, `.rlib`)",
        "link it: in Rust the crate is a `cdylib`, in C `wasm-ld` makes the module",
    ),
    (
        b"BC\xc0\xde",
        "LLVM's bitcode",
        "link it with `wasm-ld`, or leave `-emit-llvm` out",
    ),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS",
        "get the file it stands for: `git lfs pull`",
    ),
    (b"AGFzb", "WebAssembly in base64", "decode it: `base64 -d`"),
    (b"(module", TEXT, PARSE),
    (b"(component", TEXT, PARSE),
    (
        b"package ",
        "a contract in WIT, or source",
        "build it: `larder build` for a crate",
    ),
];

const TEXT: &str = "WebAssembly's text format";
const PARSE: &str = "make a module of it: `wasm-tools parse`, or `wat2wasm` for a core module";
const TAR_MARK_AT: usize = 257;

/// Says what `bytes` are, which do not begin as WebAssembly does, and what to do with them.
pub(crate) fn not_wasm(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "it is not WebAssembly: the file is empty; build or copy it again".into();
    }
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(16)]);
    let (what, advice) = known(bytes).map_or_else(
        || (String::new(), "give the .wasm file that the build left"),
        |(what, advice)| (format!("it is {what}, "), advice),
    );
    format!("it is not WebAssembly: {what}it begins with {head:?}; {advice}")
}

fn known(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = text.trim_ascii_start();
    let starts = |(mark, ..): &&(&[u8], _, _)| bytes.starts_with(mark) || text.starts_with(mark);
    if let Some((_, what, advice)) = KINDS.iter().find(starts) {
        return Some((what, advice));
    }
    if text.starts_with(b"<") {
        let again = "what was to bring the file brought a page instead: get it again";
        return Some(("HTML or XML", again));
    }
    // A text may begin with comments before what says that it is WebAssembly's.
    if text.starts_with(b";;") || text.starts_with(b"(;") {
        return Some((TEXT, PARSE));
    }
    let tar = bytes.get(TAR_MARK_AT..)?.starts_with(b"ustar");
    tar.then_some(("a tar", "unpack it: `tar -xf`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_webassembly_is_called_by_its_name_with_what_to_do() {
        let mut tar = b"out/policy.wasm".to_vec();
        tar.resize(TAR_MARK_AT, 0);
        tar.extend_from_slice(b"ustar\0");
        for (bytes, words) in [
            (b"" as &[u8], "the file is empty"),
            (b"\x1f\x8b\x08", "`gunzip`"),
            (b"\x28\xb5\x2f\xfd\x04", "`zstd -d`"),
            (b"PK\x03\x04\x14", "`unzip`"),
            (b"(module (memory 1))", "`wat2wasm`"),
            (b"\xef\xbb\xbf\n  (component)", "`wasm-tools parse`"),
            (b";; a policy\n(module)", "WebAssembly's text format"),
            (b"<!DOCTYPE html>", "get it again"),
            (
                b"version https://git-lfs.github.com/spec/v1",
                "`git lfs pull`",
            ),
            (b"AGFzbQEAAAAB", "`base64 -d`"),
            (b"!<arch>\n", "`cdylib`"),
            (&tar, "`tar -xf`"),
            (b"MZ\x90", "the .wasm file that the build left"),
        ] {
            let text = not_wasm(bytes);
            assert!(
                text.starts_with("it is not WebAssembly: ") && text.contains(words),
                "{text}"
            );
        }
    }
}
