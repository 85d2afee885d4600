//! Where it shows that a policy has another file.
//!
//! A folder may be a link that is switched, its files may be links through a link beside them (as
//! Kubernetes mounts them), and either may be replaced by a rename. So besides the folder itself,
//! every name on the way matters. Those are looked at from time to time: what contains them may be
//! the folder of a database, and its events would come with each of its writes.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use crate::folder;

/// Longer chains of links are circles.
const LINKS_MAX: usize = 40;

/// Which folder it is, whatever its path.
pub(super) type Identity = (u64, u64);

/// What a name stands for now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Nothing,
    /// Another link has another place, though its target may be the same.
    Link(Option<PathBuf>, Identity),
    /// What is in it has events of its own.
    Folder(Identity),
    File(Identity, u64, Option<SystemTime>),
}

/// What is to be watched, with every link on the way resolved.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The folder of the policies, all of whose modules matter.
    dir: Option<PathBuf>,
    /// Names that matter wherever they are.
    names: BTreeSet<PathBuf>,
}

impl Places {
    /// Those of the folder `dir`, an absolute path, as they are now.
    pub(super) fn of(dir: &Path) -> Self {
        let mut places = Self::default();
        let Some(real) = places.resolve(dir) else {
            return places;
        };
        // It may be replaced by a rename.
        places.note(&real);
        for module in folder::modules(&real).unwrap_or_default() {
            let file = folder::path_of(&real, &module);
            if file.is_symlink()
                && let Some(target) = places.resolve(&file)
            {
                places.note(&target);
            }
        }
        places.dir = Some(real);
        places
    }

    /// The folder to watch.
    pub(super) fn folder(&self) -> Option<&PathBuf> {
        self.dir.as_ref()
    }

    /// What the names stand for now.
    pub(super) fn stand(&self) -> Vec<Stands> {
        self.names.iter().map(|name| stands(name)).collect()
    }

    /// Whether an event at `path` may mean another file.
    pub(super) fn concern(&self, path: &Path) -> bool {
        let in_dir = path.parent().is_some() && path.parent() == self.dir.as_deref();
        self.names.contains(path)
            || self.dir.as_deref() == Some(path)
            || (in_dir && folder::is_module(path))
    }

    /// Where `path` leads to; notes every link on the way, and what is missing.
    fn resolve(&mut self, path: &Path) -> Option<PathBuf> {
        let mut at = PathBuf::new();
        let mut rest: VecDeque<OsString> = parts(path);
        let mut links = 0;
        while let Some(part) = rest.pop_front() {
            match Path::new(&part).components().next() {
                Some(Component::ParentDir) => {
                    at.pop();
                    continue;
                }
                None | Some(Component::CurDir) => continue,
                Some(_) => {}
            }
            let next = at.join(&part);
            match fs::symlink_metadata(&next) {
                Ok(known) if known.is_symlink() => {
                    links += 1;
                    self.note(&next);
                    let target = fs::read_link(&next).ok().filter(|_| links <= LINKS_MAX)?;
                    let mut parts = parts(&target);
                    parts.append(&mut rest);
                    rest = parts;
                }
                Ok(_) => at = next,
                Err(_) => {
                    self.note(&next);
                    return None;
                }
            }
        }
        Some(at)
    }

    fn note(&mut self, name: &Path) {
        self.names.insert(name.to_owned());
    }
}

fn stands(name: &Path) -> Stands {
    let Ok(known) = fs::symlink_metadata(name) else {
        return Stands::Nothing;
    };
    let which = identity_of(&known);
    if known.is_symlink() {
        Stands::Link(fs::read_link(name).ok(), which)
    } else if known.is_dir() {
        Stands::Folder(which)
    } else {
        Stands::File(which, known.len(), known.modified().ok())
    }
}

/// The parts of a path, its root among them: joined to another path it takes its place.
fn parts(path: &Path) -> VecDeque<OsString> {
    let parts = path.components();
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

pub(super) fn identity(folder: &Path) -> Option<Identity> {
    fs::metadata(folder).ok().map(|known| identity_of(&known))
}

#[cfg(unix)]
fn identity_of(known: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (known.dev(), known.ino())
}

#[cfg(not(unix))]
fn identity_of(_: &fs::Metadata) -> Identity {
    (0, 0)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// The folder below `root` that is watched, and the names that matter besides its modules.
    fn shown(places: &Places, root: &Path) -> (Option<String>, Vec<String>) {
        let short = |path: &PathBuf| {
            let short = path.strip_prefix(root).ok();
            short.map(|path| path.display().to_string())
        };
        let names = places.names.iter().filter_map(short);
        (places.dir.as_ref().and_then(short), names.collect())
    }

    #[test]
    fn links_are_watched_where_they_are_and_files_where_they_lead() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        for folder in ["v1", "plain", "mount/..v1", "elsewhere"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        symlink("v1", root.join("switched")).unwrap();
        symlink(root.join("switched"), root.join("far")).unwrap();
        symlink("..v1", root.join("mount/..data")).unwrap();
        fs::write(root.join("mount/..v1/a.wasm"), "").unwrap();
        symlink("..data/a.wasm", root.join("mount/a.wasm")).unwrap();
        symlink("../elsewhere/b.wasm", root.join("plain/b.wasm")).unwrap();
        symlink("circle", root.join("circle")).unwrap();
        let own = |folder: Option<&str>, names: &[&str]| {
            let names: Vec<_> = names.iter().map(|one| (*one).to_owned()).collect();
            (folder.map(str::to_owned), names)
        };
        for (dir, expected) in [
            ("v1", own(Some("v1"), &["v1"])),
            ("switched", own(Some("v1"), &["switched", "v1"])),
            ("far", own(Some("v1"), &["far", "switched", "v1"])),
            (
                "mount",
                own(
                    Some("mount"),
                    &["mount", "mount/..data", "mount/..v1/a.wasm", "mount/a.wasm"],
                ),
            ),
            (
                "plain",
                own(
                    Some("plain"),
                    &["elsewhere/b.wasm", "plain", "plain/b.wasm"],
                ),
            ),
            ("gone/deeper", own(None, &["gone"])),
            ("circle", own(None, &["circle"])),
        ] {
            let places = Places::of(&root.join(dir));
            assert_eq!(shown(&places, &root), expected, "{dir}");
        }
    }

    #[test]
    fn names_stand_for_something_else_once_they_are_switched_replaced_or_written() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let at = |name: &str| root.join(name);
        for folder in ["v1", "v2", "elsewhere"] {
            fs::create_dir(at(folder)).unwrap();
        }
        fs::write(at("elsewhere/a.wasm"), "one").unwrap();
        symlink("../elsewhere/a.wasm", at("v1/a.wasm")).unwrap();
        symlink("v1", at("switched")).unwrap();
        let places = Places::of(&at("switched"));
        let mut before = places.stand();
        let mut changes = |what: &str, change: &dyn Fn()| {
            change();
            let now = places.stand();
            assert_ne!(now, before, "{what}");
            before = now;
        };
        changes("a file is written in its place", &|| {
            fs::write(at("elsewhere/a.wasm"), "another").unwrap();
        });
        changes("a link is switched", &|| {
            symlink("v2", at("next")).unwrap();
            fs::rename(at("next"), at("switched")).unwrap();
        });
        changes("a folder is replaced", &|| {
            fs::rename(at("v1"), at("old")).unwrap();
            fs::rename(at("v2"), at("v1")).unwrap();
        });
        changes("a link is gone", &|| {
            fs::remove_file(at("switched")).unwrap();
        });
        fs::write(at("v1/b.wasm"), "").unwrap();
        assert_eq!(places.stand(), before, "what is in a folder has events");
    }

    #[test]
    fn what_others_write_beside_the_folder_is_no_concern() {
        let root = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(root.path()).unwrap();
        let dir = root.join("policies");
        fs::create_dir(&dir).unwrap();
        let places = Places::of(&dir);
        for (path, concern) in [
            ("policies", true),
            ("policies/a.wasm", true),
            ("policies/a.tmp", false),
            ("shop.db", false),
            ("b.wasm", false),
        ] {
            assert_eq!(places.concern(&root.join(path)), concern, "{path}");
        }
    }
}
