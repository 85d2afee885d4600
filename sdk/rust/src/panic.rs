//! What a panic said, where the host finds it.
//!
//! A module imports nothing, so it cannot report anything while it traps. It leaves the text in
//! its linear memory instead, and the host looks for it afterwards: 16 bytes of magic
//! (`LARDER-PANIC-V1` and a line feed), the length as u32 in little endian, and so many bytes of
//! UTF-8, at most [`TEXT_MAX`], such as `src/lib.rs:12:5: index out of bounds`.

use std::fmt::{self, Write};
use std::hint::black_box;
use std::panic::PanicHookInfo;
use std::sync::Mutex;

/// The most bytes of text.
const TEXT_MAX: usize = 1000;

/// The magic, each byte masked: as plain data of the module it would be found without a panic.
const MASKED: [u8; 16] = masked(*b"LARDER-PANIC-V1\n");
const MASK: u8 = 0xA5;

const TEXT_AT: usize = MASKED.len() + size_of::<u32>();

static REPORT: Mutex<[u8; TEXT_AT + TEXT_MAX]> = Mutex::new([0; TEXT_AT + TEXT_MAX]);

const fn masked(mut bytes: [u8; 16]) -> [u8; 16] {
    let mut i = 0;
    while i < bytes.len() {
        bytes[i] ^= MASK;
        i += 1;
    }
    bytes
}

/// Has every panic from now on leave its text.
pub(crate) fn report_to_host() {
    std::panic::set_hook(Box::new(|info| {
        // A panic within this very hook finds the lock taken and leaves the first text alone.
        if let Ok(mut report) = REPORT.try_lock() {
            write_report(&mut report[..], info);
            // Nothing here reads the text again: without this the stores could be left out.
            black_box(&mut *report);
        }
    }));
}

fn write_report(report: &mut [u8], info: &PanicHookInfo<'_>) {
    let (head, text) = report.split_at_mut(TEXT_AT);
    let mut text = Text { text, len: 0 };
    let message = info.payload_as_str().unwrap_or("panic");
    // What does not fit is cut off.
    let _ = match info.location() {
        Some(at) => write!(
            text,
            "{}:{}:{}: {message}",
            at.file(),
            at.line(),
            at.column()
        ),
        None => text.write_str(message),
    };
    let len = text.len as u32;
    head[MASKED.len()..].copy_from_slice(&len.to_le_bytes());
    for (byte, masked) in head.iter_mut().zip(MASKED) {
        *byte = masked ^ black_box(MASK);
    }
}

/// A buffer that takes what fits, whole characters only.
struct Text<'a> {
    text: &'a mut [u8],
    len: usize,
}

impl Write for Text<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let room = self.text.len() - self.len;
        let fits = s.floor_char_boundary(room);
        self.text[self.len..self.len + fits].copy_from_slice(&s.as_bytes()[..fits]);
        self.len += fits;
        if fits < s.len() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}
