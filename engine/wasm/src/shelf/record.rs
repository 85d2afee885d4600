//! What is kept of one policy, beside its builds.

use serde::{Deserialize, Serialize};

/// How many builds are kept, the serving one among them.
pub(crate) const KEPT: usize = 3;

/// The form of the file, for builds of Larder to come.
const FORMAT: u32 = 1;

/// What is kept of one policy, beside its builds. Revisions are `sha256:` and the digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(super) format: u32,
    /// The policy, whatever its folder is called.
    pub(crate) policy: String,
    /// In the order in which they were loaded first, oldest first.
    pub(crate) builds: Vec<String>,
    /// The one that served last.
    pub(crate) serving: Option<String>,
    /// The only one that may serve, by an operator's choice.
    pub(crate) pinned: Option<String>,
    /// The one that the operator went back from.
    pub(crate) rolled_back: Option<String>,
    /// Why nobody knows what was chosen. Nothing serves then, as another build than the chosen one
    /// might.
    #[serde(skip)]
    pub(crate) unread: Option<String>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            format: FORMAT,
            policy: String::new(),
            builds: Vec::new(),
            serving: None,
            pinned: None,
            rolled_back: None,
            unread: None,
        }
    }
}

impl Record {
    /// Reads the file's text.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        match record.format {
            FORMAT => Ok(record),
            other => Err(format!(
                "its format is {other}, and this build knows {FORMAT}"
            )),
        }
    }

    pub(super) fn text(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
    }

    /// Notes that `revision` serves; answers what is kept no longer. What is pinned stays.
    pub(crate) fn serves(&mut self, revision: &str) -> Vec<String> {
        if !self.builds.iter().any(|build| build == revision) {
            self.builds.push(revision.to_owned());
        }
        self.serving = Some(revision.to_owned());
        let mut gone = Vec::new();
        while self.builds.len() > KEPT {
            let spare = |build: &String| build != revision && Some(build) != self.pinned.as_ref();
            let Some(at) = self.builds.iter().position(spare) else {
                break;
            };
            gone.push(self.builds.remove(at));
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_builds_are_kept_and_what_serves_or_is_pinned_stays() {
        let mut record = Record::default();
        for revision in ["a", "b", "c"] {
            assert_eq!(record.serves(revision), [""; 0]);
        }
        assert_eq!(record.serves("a"), [""; 0], "it is there already");
        assert_eq!(record.builds, ["a", "b", "c"]);
        record.pinned = Some("a".to_owned());
        assert_eq!(record.serves("d"), ["b"]);
        record.pinned = None;
        assert_eq!(record.serves("e"), ["a"]);
        assert_eq!(record.builds, ["c", "d", "e"]);
        assert_eq!(record.serving.as_deref(), Some("e"));
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_one_of_another_format_is_not() {
        let mut record = Record::default();
        record.serves("sha256:00");
        record.rolled_back = Some("sha256:01".to_owned());
        let text = record.text().unwrap();
        assert_eq!(Record::read(&text), Ok(record));
        let later = String::from_utf8(text)
            .unwrap()
            .replace("\"format\": 1", "\"format\": 2");
        let why = Record::read(later.as_bytes()).unwrap_err();
        assert!(why.contains("its format is 2"), "{why}");
        assert!(Record::read(b"{\"format\"").is_err());
    }
}
