//! Where it shows that a policy has another file.
//!
//! A folder may be a link that is switched, its files may be links through a link beside them (as
//! Kubernetes mounts them), and either may be replaced by a rename. So besides the folder itself,
//! whatever contains a link on the way is watched, for that name alone.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::folder;

/// Longer chains of links are circles.
const LINKS_MAX: usize = 40;

/// Which folder it is, whatever its path.
pub(super) type Identity = (u64, u64);

/// What is to be watched, with every link on the way resolved.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// The folder of the policies, all of whose modules matter.
    dir: Option<PathBuf>,
    /// Names that matter wherever they are, and the folders that contain them.
    names: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
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
        places.folders.insert(real.clone());
        places.dir = Some(real);
        places
    }

    /// The folders to watch.
    pub(super) fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        self.folders.iter()
    }

    /// Whether an event at `path` may mean another file.
    pub(super) fn concern(&self, path: &Path) -> bool {
        let in_dir = path.parent().is_some() && path.parent() == self.dir.as_deref();
        self.names.contains(path)
            || self.folders.contains(path)
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
        if let Some(folder) = name.parent() {
            self.folders.insert(folder.to_owned());
            self.names.insert(name.to_owned());
        }
    }
}

/// The parts of a path, its root among them: joined to another path it takes its place.
fn parts(path: &Path) -> VecDeque<OsString> {
    let parts = path.components();
    parts.map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(unix)]
pub(super) fn identity(folder: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt as _;
    let known = fs::metadata(folder).ok()?;
    Some((known.dev(), known.ino()))
}

#[cfg(not(unix))]
pub(super) fn identity(folder: &Path) -> Option<Identity> {
    folder.is_dir().then_some((0, 0))
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// What is watched below `root`, and for which names besides modules of the folder.
    fn shown(places: &Places, root: &Path) -> (Vec<String>, Vec<String>) {
        let short = |all: &BTreeSet<PathBuf>| {
            let all = all.iter().filter_map(|path| path.strip_prefix(root).ok());
            all.map(|path| path.display().to_string()).collect()
        };
        (short(&places.folders), short(&places.names))
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
        let own = |folders: &[&str], names: &[&str]| {
            let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
            (owned(folders), owned(names))
        };
        for (dir, expected) in [
            ("v1", own(&["", "v1"], &["v1"])),
            ("switched", own(&["", "v1"], &["switched", "v1"])),
            ("far", own(&["", "v1"], &["far", "switched", "v1"])),
            (
                "mount",
                own(
                    &["", "mount", "mount/..v1"],
                    &["mount", "mount/..data", "mount/..v1/a.wasm", "mount/a.wasm"],
                ),
            ),
            (
                "plain",
                own(
                    &["", "elsewhere", "plain"],
                    &["elsewhere/b.wasm", "plain", "plain/b.wasm"],
                ),
            ),
            ("gone/deeper", own(&[""], &["gone"])),
            ("circle", own(&[""], &["circle"])),
        ] {
            let places = Places::of(&root.join(dir));
            assert_eq!(shown(&places, &root), expected, "{dir}");
        }
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
