//! What an HTTP answer carries beside its bytes.

mod form;

use std::sync::Arc;

use bytes::Bytes;

/// The most header lines that are kept with a value.
pub const HEADERS_MAX: usize = 100;
/// The most that they may take together, names and values, in bytes.
pub const HEADERS_BYTES_MAX: usize = 32 << 10;
/// The status of a value of which nothing else is known.
const OK: u16 = 200;

/// Header fields that are never kept: those of one connection (RFC 9110, 7.6.1), what one client
/// alone may have, what the framing says anew for each message, and what [`crate::Value`] holds
/// itself.
const LEFT_OUT: [&str; 15] = [
    "connection",
    "content-length",
    "content-range",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "set-cookie",
    "set-cookie2",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// One header line: the name in lower case, and the value as it came, which need not be text.
pub type Line = (Box<str>, Bytes);

/// The status and the end-to-end header lines of an answer, in their order. A value without one is
/// a plain 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    status: u16,
    lines: Box<[Line]>,
}

/// Why header lines cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The status is none that ends a request.
    #[error("{0} is no status that an answer may have; it is 200 to 599")]
    Status(u16),
    /// A name is no token, or a value has bytes that no header may have.
    #[error("`{0}` is no header, by its name or by its value")]
    Line(String),
    /// There are too many of them.
    #[error(
        "there are {count} header lines of {bytes} bytes; at most {HEADERS_MAX} and \
         {HEADERS_BYTES_MAX} bytes are kept"
    )]
    TooLarge {
        /// How many.
        count: usize,
        /// What they take.
        bytes: usize,
    },
}

impl Head {
    /// The part of an answer that may be kept; none where it says no more than a plain 200.
    /// Hop-by-hop fields, those that `Connection` names, `Set-Cookie`, `Larder-*` and a
    /// `Content-Type` that is text, which belongs into the value, are left out.
    ///
    /// # Errors
    /// If a line is no header, or there are more than may be kept.
    pub fn new(
        status: u16,
        lines: impl IntoIterator<Item = (impl AsRef<str>, Bytes)>,
    ) -> Result<Option<Arc<Self>>, HeadError> {
        if !(200..=599).contains(&status) {
            return Err(HeadError::Status(status));
        }
        let mut kept = Vec::new();
        let mut hops = Vec::new();
        for (name, value) in lines {
            let name = name.as_ref().to_ascii_lowercase();
            if !is_token(&name) || !value.iter().all(|byte| is_field(*byte)) {
                return Err(HeadError::Line(crate::request::clip(&name).to_string()));
            }
            if name == "connection" {
                hops.extend(names_in(&String::from_utf8_lossy(&value)));
            }
            if !is_left_out(&name, &value) {
                kept.push((name.into_boxed_str(), value));
            }
        }
        kept.retain(|(name, _)| !hops.iter().any(|hop| **hop == **name));
        let head = Self {
            status,
            lines: kept.into(),
        };
        head.check_size()?;
        Ok((status != OK || !head.lines.is_empty()).then(|| Arc::new(head)))
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The header lines in their order; a name may be there more than once.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The values of a header, whose name is given in lower case.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Bytes> {
        let lines = self.lines.iter().filter(move |(known, _)| **known == *name);
        lines.map(|(_, value)| value)
    }

    /// The names and values, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        let sizes = self.lines.iter();
        sizes.map(|(name, value)| name.len() + value.len()).sum()
    }

    fn check_size(&self) -> Result<(), HeadError> {
        let (count, bytes) = (self.lines.len(), self.size());
        if count > HEADERS_MAX || bytes > HEADERS_BYTES_MAX {
            return Err(HeadError::TooLarge { count, bytes });
        }
        Ok(())
    }
}

fn is_left_out(name: &str, value: &[u8]) -> bool {
    LEFT_OUT.contains(&name)
        || name.starts_with("larder-")
        || (name == "content-type" && is_text(value))
}

/// Whether a header value is visible ASCII, as a media type is.
fn is_text(value: &[u8]) -> bool {
    value.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'))
}

/// The members of a line that is a list of names, in lower case; empty ones say nothing (RFC 9110,
/// 5.6.1).
pub(crate) fn names_in(line: &str) -> impl Iterator<Item = String> {
    let names = line.split(',').map(|name| name.trim().to_ascii_lowercase());
    names.filter(|name| !name.is_empty())
}

fn is_token(name: &str) -> bool {
    let special = |byte| b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || special(byte))
}

const fn is_field(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&str, &'static [u8])]) -> Result<Option<Arc<Head>>, HeadError> {
        let lines = lines.iter();
        Head::new(
            200,
            lines.map(|(name, value)| (*name, Bytes::from_static(value))),
        )
    }

    fn names(lines: &[(&str, &'static [u8])]) -> Vec<String> {
        let head = of(lines).unwrap();
        let lines = head.iter().flat_map(|head| head.lines().iter());
        lines.map(|(name, _)| name.to_string()).collect()
    }

    #[test]
    fn only_end_to_end_lines_are_kept_in_their_order() {
        let lines: &[(&str, &[u8])] = &[
            ("Link", b"</a>; rel=next"),
            ("Connection", b"close, X-Hop,"),
            ("X-Hop", b"1"),
            ("Set-Cookie", b"a=b"),
            ("Larder-Lease", b"forged"),
            ("Transfer-Encoding", b"chunked"),
            ("Content-Length", b"3"),
            ("content-type", b"text/plain"),
            ("X-caf", b"caf\xe9"),
            ("LINK", b"</b>; rel=prev"),
        ];
        assert_eq!(names(lines), ["link", "x-caf", "link"]);
        // What is no text cannot be a media type, and is passed on as it came.
        assert_eq!(names(&[("content-type", b"text/\xe9")]), ["content-type"]);
    }

    #[test]
    fn a_plain_answer_has_no_head() {
        assert_eq!(of(&[("content-length", b"3")]), Ok(None));
        let none: [(&str, Bytes); 0] = [];
        let head = Head::new(204, none).unwrap().unwrap();
        assert_eq!(head.status(), 204);
    }

    #[test]
    fn what_no_answer_may_have_is_refused() {
        assert!(matches!(of(&[("a b", b"")]), Err(HeadError::Line(_))));
        assert!(matches!(
            of(&[("a", b"x\r\ny: z")]),
            Err(HeadError::Line(_))
        ));
        assert!(matches!(of(&[("", b"x")]), Err(HeadError::Line(_))));
        for status in [0, 100, 199, 600] {
            let none: [(&str, Bytes); 0] = [];
            assert_eq!(Head::new(status, none), Err(HeadError::Status(status)));
        }
        let many = vec![("a", Bytes::from_static(b"b")); HEADERS_MAX + 1];
        assert!(matches!(
            Head::new(200, many),
            Err(HeadError::TooLarge { count: 101, .. })
        ));
        let long = [("a", Bytes::from(vec![b'x'; HEADERS_BYTES_MAX]))];
        assert!(matches!(
            Head::new(200, long),
            Err(HeadError::TooLarge { count: 1, .. })
        ));
    }
}
