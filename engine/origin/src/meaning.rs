//! What a write of a value does to what is there.

/// What the value of a write stands for at an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutMeaning {
    /// The fields that it names, a JSON object's: others stay as they are, and in what was not
    /// there they are what the origin gives them by itself.
    Merge,
    /// All there is.
    Replace,
}

impl PutMeaning {
    /// The name used on status pages and in the docs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Replace => "replace",
        }
    }
}
