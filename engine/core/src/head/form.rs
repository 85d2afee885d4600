//! A head as bytes, the same wherever it is stored and in what binds a sealed value.

use std::sync::Arc;

use bytes::Bytes;

use super::Head;

impl Head {
    /// The status, then each line as two lengths of 32 bits and what they count, all little-endian.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 + self.size() + 8 * self.lines.len());
        out.extend_from_slice(&self.status.to_le_bytes());
        for (name, value) in &self.lines {
            for part in [name.as_bytes(), value] {
                // No head is longer than `HEADERS_BYTES_MAX`.
                out.extend_from_slice(&(part.len() as u32).to_le_bytes());
                out.extend_from_slice(part);
            }
        }
        out
    }

    /// The head that [`Head::to_bytes`] made these bytes of; none where it did not.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Arc<Self>> {
        let (status, mut rest) = bytes.split_first_chunk::<2>()?;
        let status = u16::from_le_bytes(*status);
        let mut lines = Vec::new();
        while !rest.is_empty() {
            let name = std::str::from_utf8(part(&mut rest)?).ok()?;
            lines.push((name, Bytes::copy_from_slice(part(&mut rest)?)));
        }
        let count = lines.len();
        let head = Self::new(status, lines).ok()??;
        // What it would not have kept it has not written.
        (head.lines.len() == count).then_some(head)
    }
}

fn part<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (part, left) = after.split_at_checked(length)?;
    *rest = left;
    Some(part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head() -> Arc<Head> {
        let lines = [
            ("link", Bytes::from_static(b"</a>")),
            ("x-caf", Bytes::from_static(b"caf\xe9")),
            ("link", Bytes::from_static(b"")),
        ];
        Head::new(203, lines).unwrap().unwrap()
    }

    #[test]
    fn a_head_comes_back_as_it_was_and_cut_off_not_at_all() {
        let bytes = head().to_bytes();
        assert_eq!(Head::from_bytes(&bytes), Some(head()));
        let whole_lines = [2, 2 + 4 + 4 + 4 + 4, 2 + 16 + 4 + 5 + 4 + 4];
        for end in (0..bytes.len()).filter(|end| !whole_lines.contains(end)) {
            assert_eq!(Head::from_bytes(&bytes[..end]), None, "{end}");
        }
    }

    #[test]
    fn what_is_never_kept_is_never_read() {
        let mut bytes = 200u16.to_le_bytes().to_vec();
        for part in [&b"set-cookie"[..], b"a=b"] {
            bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        assert_eq!(Head::from_bytes(&bytes), None);
    }

    proptest! {
        #[test]
        fn bytes_of_others_never_panic(bytes: Vec<u8>) {
            if let Some(head) = Head::from_bytes(&bytes) {
                prop_assert_eq!(head.to_bytes(), bytes);
            }
        }
    }
}
