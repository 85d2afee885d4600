//! The text of a guest's panic.
//!
//! A policy imports nothing, so it cannot call the host to say why it panics. The SDK's panic
//! hook writes the text into the guest's own memory behind a mark instead, and the host looks for
//! that after the trap.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::text::clean;

/// Stands before the length (4 bytes, little endian) and the text.
const MARK: &[u8; 16] = b"LARDER-PANIC-V1\n";
/// The longest text that the hook writes.
const MAX_BYTES: usize = 1_000;
/// How far memory is searched. The mark is in the guest's static data, just behind its stack.
const SEARCHED: usize = 4 << 20;

/// Finds panic texts, and remembers where the last was: the buffer does not move, and a policy
/// that panics on each call must not cost a search each time.
#[derive(Default)]
pub(crate) struct PanicText {
    last: AtomicUsize,
}

impl PanicText {
    /// The text in `memory`, if a panic left one. All numbers in it are the guest's word only.
    pub(crate) fn find(&self, memory: &[u8]) -> Option<String> {
        let last = self.last.load(Ordering::Relaxed);
        if let Some(text) = read(memory, last) {
            return Some(text);
        }
        let searched = &memory[..memory.len().min(SEARCHED)];
        let at = memchr::memmem::find(searched, MARK)?;
        self.last.store(at, Ordering::Relaxed);
        read(memory, at)
    }
}

fn read(memory: &[u8], at: usize) -> Option<String> {
    let rest = memory.get(at..)?.strip_prefix(MARK)?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let text = rest.get(..length.min(MAX_BYTES).min(rest.len()))?;
    Some(clean(&String::from_utf8_lossy(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(at: usize, length: u32, text: &[u8]) -> Vec<u8> {
        let mut memory = vec![0; at];
        memory.extend_from_slice(MARK);
        memory.extend_from_slice(&length.to_le_bytes());
        memory.extend_from_slice(text);
        memory
    }

    #[test]
    fn the_text_is_found_wherever_it_is() {
        let finder = PanicText::default();
        for at in [0, 7, 70_000] {
            let memory = memory(at, 13, b"panicked at x");
            assert_eq!(finder.find(&memory).as_deref(), Some("panicked at x"));
        }
        assert_eq!(finder.find(&[0; 100]), None);
    }

    #[test]
    fn a_lying_length_reads_no_further_than_memory_and_limit() {
        let finder = PanicText::default();
        let short = memory(3, u32::MAX, b"abc\x1b\xff");
        assert_eq!(finder.find(&short).as_deref(), Some("abc \u{fffd}"));
        let long = memory(3, u32::MAX, &[b'x'; 5_000]);
        assert_eq!(finder.find(&long).map(|text| text.len()), Some(MAX_BYTES));
        assert_eq!(finder.find(&memory(3, 9, b"")[..20]), None);
    }
}
