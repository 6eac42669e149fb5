//! Which volume stands where, and the walk from a descriptor along a path.
//!
//! Guests get one preopened directory, `/`. It is a read-only tree of its own
//! that holds nothing but the mount points. With a single root, absolute and
//! relative paths, `os.listdir("/")` and every libc that matches paths with
//! preopened names by prefix behave as on any Unix.
//!
//! The walk remembers where it came from instead of asking directories for
//! their parents. So `..` can never lead above the directory it started from,
//! whatever is renamed meanwhile, and mount points need no way back.
//!
//! Programs start in `/workspace`, and many are written for a folder in which
//! `servers`, `skills` and `workspace` stand side by side. So in `/workspace`
//! these names mean what they mean in `/`, as long as the workspace has no entry
//! of that name. No listing shows them there: who walks over the files of a
//! workspace meets each file once.
//!
//! `/skills` is the folder `skills` of the workspace. It is made when something
//! is first put into it; until then the empty folder of the root tree stands
//! for it.

use super::archive::Archive;
use super::error::{Error, PathError};
use super::path::{Name, Path, Step};
use super::volume::{Kind, Node, Volume};
use super::workspace::Workspace;
use std::collections::HashMap;
use std::sync::Arc;

/// A node and the volume it is in, by the volume's number in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Location {
    pub(super) volume: usize,
    pub(super) node: Node,
}

/// The mounts of one session. Built once, then shared by all that runs in it.
///
/// ```
/// use wasm_coordinator_sandbox::files::{Archive, Mounts, Quota, Workspace};
///
/// let workspace = Workspace::new(Quota::default());
/// let data = Archive::new([("greeting.txt", "hello".into())])?;
/// let mounts = Mounts::new(&workspace).read_only("/data", data)?;
/// # let _ = mounts;
/// # Ok::<(), wasm_coordinator_sandbox::files::PathError>(())
/// ```
pub struct Mounts {
    /// Volume number zero: the directories that mounts stand on.
    root: Archive,
    /// The volumes from number one on.
    volumes: Vec<Arc<dyn Volume>>,
    /// What stands in place of a directory of the root tree.
    covers: HashMap<Node, Location>,
    /// Where programs start, `/workspace`.
    home: Location,
    /// The directory of the root tree that stands for the skills while the
    /// workspace has none.
    no_skills: Location,
}

/// The names of the root that have their meaning in the workspace as well.
const SHARED_NAMES: [&str; 3] = ["servers", SKILLS, WORKSPACE];

const SKILLS: &str = "skills";
const WORKSPACE: &str = "workspace";

/// What a path means whose last name may not exist.
#[derive(Debug)]
pub(super) enum Target<'a> {
    /// The last step is a name within a directory.
    Name {
        /// The directory.
        parent: Location,
        /// The name, which may be free.
        name: Name<'a>,
        /// Whether the path demands a directory.
        directory: bool,
    },
    /// The path ends where a name cannot be made, removed or replaced: at the
    /// starting point, in `.` or `..`, or at a mount point.
    Fixed(Location),
}

impl Mounts {
    /// What every session has: `/workspace`, `/skills` and `/tmp`.
    pub fn new(workspace: &Workspace) -> Self {
        let mut root = Archive::bare();
        let no_skills = Name::new(SKILLS)
            .and_then(|name| root.tree.create_directory(Archive::ROOT, name))
            .expect("an empty root takes a directory");
        let (files, temporary) = (workspace.files(), workspace.temporary());
        let mounts = Self {
            root,
            volumes: Vec::new(),
            covers: HashMap::new(),
            home: Location {
                volume: 1,
                node: files.1,
            },
            no_skills: Location {
                volume: 0,
                node: no_skills,
            },
        };
        mounts
            .mount("/workspace", files.0, files.1)
            .and_then(|mounts| mounts.mount("/tmp", temporary.0, temporary.1))
            .expect("the root takes two more mounts")
    }

    /// Adds an archive, at an absolute path.
    pub fn read_only(self, path: &str, archive: Arc<Archive>) -> Result<Self, PathError> {
        self.mount(path, archive, Archive::ROOT)
    }

    /// Adds a directory of a volume at an absolute path. Fails where the path
    /// is taken, or leads into another mount.
    pub(crate) fn mount(
        mut self,
        path: &str,
        volume: Arc<dyn Volume>,
        directory: Node,
    ) -> Result<Self, PathError> {
        let point = self.make_point(path).map_err(|reason| PathError {
            action: "mount",
            path: path.to_owned(),
            reason,
        })?;
        // Two mounts of one volume share its number: renames between them
        // work, and files are told apart by node alone.
        let known = self
            .volumes
            .iter()
            .position(|other| Arc::ptr_eq(other, &volume));
        let index = known.unwrap_or(self.volumes.len());
        if known.is_none() {
            self.volumes.push(volume);
        }
        let location = Location {
            volume: index + 1,
            node: directory,
        };
        self.covers.insert(point, location);
        Ok(self)
    }

    fn make_point(&mut self, path: &str) -> Result<Node, Error> {
        let path = Path::parse(path.strip_prefix('/').ok_or(Error::Invalid)?)?;
        let mut node = Archive::ROOT;
        for (index, step) in path.steps.iter().enumerate() {
            let &Step::Enter(name) = step else {
                return Err(Error::Invalid);
            };
            let last = index + 1 == path.steps.len();
            node = match self.root.tree.lookup(node, name) {
                Ok(next) if last || self.covers.contains_key(&next) => return Err(Error::Exist),
                Ok(next) => next,
                Err(_) => self.root.tree.create_directory(node, name)?,
            };
        }
        if node == Archive::ROOT {
            return Err(Error::Exist);
        }
        Ok(node)
    }

    /// The root of all, `/`.
    pub(super) fn root(&self) -> Location {
        Location {
            volume: 0,
            node: Archive::ROOT,
        }
    }

    /// The directories of a program that has them from the start, by name: the
    /// workspace first, because some runtimes take the first one for the current
    /// directory, and last once more as `.`, where every libc looks for what is
    /// in no other directory of the list.
    pub(super) fn directories(&self) -> Result<Vec<(String, Location)>, Error> {
        let mut directories = vec![(format!("/{WORKSPACE}"), self.home)];
        for entry in self.root.entries(Archive::ROOT, None, usize::MAX)? {
            if &*entry.name != WORKSPACE {
                let node = self.root.lookup(Archive::ROOT, Name::new(&entry.name)?)?;
                directories.push((format!("/{}", entry.name), self.uncover(node)));
            }
        }
        directories.push(("/".to_owned(), self.root()));
        directories.push((".".to_owned(), self.home));
        Ok(directories)
    }

    /// The volume of a location.
    pub(super) fn volume(&self, location: Location) -> &dyn Volume {
        match location.volume {
            0 => &self.root,
            number => self.volumes[number - 1].as_ref(),
        }
    }

    /// The existing node that a path names.
    pub(super) fn find(&self, base: Location, path: &str) -> Result<Location, Error> {
        let path = Path::parse(path)?;
        let found = self.walk(base, &path.steps)?;
        if path.directory {
            self.demand_directory(found)?;
        }
        Ok(found)
    }

    /// What a path names, whether it exists or not.
    pub(super) fn target<'a>(&self, base: Location, path: &'a str) -> Result<Target<'a>, Error> {
        let Path {
            steps,
            directory,
            named,
        } = Path::parse(path)?;
        let Some((&Step::Enter(name), parents)) = steps.split_last().filter(|_| named) else {
            let found = self.walk(base, &steps)?;
            self.demand_directory(found)?;
            return Ok(Target::Fixed(found));
        };
        let parent = self.walk(base, parents)?;
        self.demand_directory(parent)?;
        if parent.volume == 0
            && let Ok(node) = self.root.lookup(parent.node, name)
        {
            return Ok(Target::Fixed(self.uncover(node)));
        }
        if self.is_shared(parent, name)
            && let Err(Error::NoEntry) = self.volume(parent).lookup(parent.node, name)
            && let Ok(shared) = self.enter(parent, name)
        {
            return Ok(Target::Fixed(shared));
        }
        Ok(Target::Name {
            parent,
            name,
            directory,
        })
    }

    /// The part that a path leads into whose content comes from elsewhere, after
    /// this many others. A part is found once those before it are up to date.
    /// What names only the directory of a part needs none of its
    /// content; paths that lead nowhere are for the walk to refuse.
    pub(super) fn part(&self, base: Location, path: &str, after: usize) -> Option<String> {
        let mut here = self.present(base);
        let mut parts: Vec<String> = Vec::new();
        let mut above = Vec::new();
        let path = Path::parse(path).ok()?;
        let mut steps = path.steps.iter();
        loop {
            // Most paths stay in the workspace, and need not be walked twice.
            let rest = steps.as_slice();
            let volume = self.volume(here);
            let shared =
                matches!(rest.first(), Some(&Step::Enter(name)) if self.is_shared(here, name));
            if here.volume != 0 && !volume.has_parts() && !rest.contains(&Step::Leave) && !shared {
                return None;
            }
            let step = steps.next()?;
            if let Some(part) = volume.part(here.node)
                && !parts.contains(&part)
            {
                if parts.len() == after {
                    return Some(part);
                }
                parts.push(part);
            }
            here = match *step {
                Step::Enter(name) => {
                    above.push(here);
                    self.enter(here, name).ok()?
                }
                Step::Leave => above.pop()?,
            };
        }
    }

    /// The folder of the skills where the workspace has none yet: made now,
    /// because something is about to be put into it. Every other location is
    /// itself.
    pub(super) fn made(&self, location: Location) -> Result<Location, Error> {
        if self.present(location) != self.no_skills {
            return Ok(self.present(location));
        }
        let (workspace, name) = (self.volume(self.home), Name::new(SKILLS)?);
        match workspace.create_directory(self.home.node, name) {
            // A file of that name: then there are no skills.
            Err(Error::Exist) => return Err(Error::NotDirectory),
            made => made?,
        }
        Ok(self.present(location))
    }

    /// Whether a location is the folder of the skills and not made yet.
    pub(super) fn is_unmade(&self, location: Location) -> bool {
        self.present(location) == self.no_skills
    }

    /// Where a location is now: the folder of the skills may have been made
    /// since somebody opened the one that stood for it.
    pub(super) fn present(&self, location: Location) -> Location {
        match location == self.no_skills {
            true => self.uncover(location.node),
            false => location,
        }
    }

    /// Whether a name in a directory means what it means in the root, unless the
    /// directory has an entry of that name.
    fn is_shared(&self, directory: Location, name: Name<'_>) -> bool {
        directory == self.home && SHARED_NAMES.contains(&name.as_str())
    }

    fn enter(&self, here: Location, name: Name<'_>) -> Result<Location, Error> {
        let node = match self.volume(here).lookup(here.node, name) {
            Err(Error::NoEntry) if self.is_shared(here, name) => {
                return Ok(self.uncover(self.root.lookup(Archive::ROOT, name)?));
            }
            found => found?,
        };
        Ok(match here.volume {
            0 => self.uncover(node),
            volume => Location { volume, node },
        })
    }

    fn walk(&self, base: Location, steps: &[Step<'_>]) -> Result<Location, Error> {
        let mut above = Vec::new();
        let mut here = self.present(base);
        for step in steps {
            match *step {
                Step::Enter(name) => {
                    let next = self.enter(here, name)?;
                    above.push(here);
                    here = next;
                }
                Step::Leave => {
                    self.demand_directory(here)?;
                    here = above.pop().ok_or(Error::NotPermitted)?;
                }
            }
        }
        Ok(here)
    }

    /// What stands on a node of the root tree.
    fn uncover(&self, node: Node) -> Location {
        let bare = Location { volume: 0, node };
        if bare == self.no_skills {
            return self.skills().unwrap_or(bare);
        }
        self.covers.get(&node).copied().unwrap_or(bare)
    }

    /// The folder of the skills, if the workspace has one.
    fn skills(&self) -> Option<Location> {
        let workspace = self.volume(self.home);
        let node = workspace
            .lookup(self.home.node, Name::new(SKILLS).ok()?)
            .ok()?;
        let status = workspace.status(node).ok()?;
        (status.kind == Kind::Directory).then_some(Location {
            volume: self.home.volume,
            node,
        })
    }

    fn demand_directory(&self, location: Location) -> Result<(), Error> {
        match self.volume(location).status(location.node)?.kind {
            Kind::Directory => Ok(()),
            Kind::File => Err(Error::NotDirectory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::quota::Quota;

    fn archive() -> Arc<Archive> {
        Archive::new([("a/b.txt", "b".into())]).unwrap()
    }

    fn mounts() -> Mounts {
        Mounts::new(&Workspace::new(Quota::default()))
    }

    #[test]
    fn mounts_may_stand_deep() {
        let mounts = mounts()
            .read_only("/usr/lib/python", archive())
            .and_then(|mounts| mounts.read_only("/usr/share", archive()))
            .unwrap();
        let found = mounts
            .find(mounts.root(), "usr/lib/python/a/b.txt")
            .unwrap();
        assert_eq!(
            mounts.volume(found).read(found.node, 0, 9).unwrap(),
            b"b"[..]
        );
        // The way back from a mount leads to where it stands.
        let back = mounts
            .find(mounts.root(), "usr/lib/python/a/../../../share/a")
            .unwrap();
        assert_eq!(back, mounts.find(mounts.root(), "usr/share/a").unwrap());
        let inside = mounts.find(mounts.root(), "usr/lib/python").unwrap();
        assert_eq!(mounts.find(inside, "a/../.."), Err(Error::NotPermitted));
    }

    #[test]
    fn names_of_the_root_lead_from_the_workspace_and_back() {
        let mounts = mounts().read_only("/servers", archive()).unwrap();
        let find = |path: &str| mounts.find(mounts.root(), path);
        let file = find("servers/a/b.txt").unwrap();
        assert_eq!(find("workspace/servers/a/b.txt"), Ok(file));
        assert_eq!(
            find("workspace/workspace/workspace/servers/a/b.txt"),
            Ok(file)
        );
        assert_eq!(find("workspace/servers/../servers"), find("servers"));
        // Each other name of the root, and each other directory, has its own.
        assert_eq!(find("workspace/tmp"), Err(Error::NoEntry));
        assert_eq!(find("tmp/servers"), Err(Error::NoEntry));
        assert_eq!(find("servers/workspace"), Err(Error::NoEntry));
    }

    #[test]
    fn skills_that_were_opened_before_they_were_made_are_found() {
        let mounts = mounts();
        let before = mounts.find(mounts.root(), "skills").unwrap();
        assert_eq!(mounts.find(mounts.root(), "workspace/skills"), Ok(before));
        assert!(mounts.is_unmade(before));
        let made = mounts.made(before).unwrap();
        assert_eq!(mounts.present(before), made);
        assert_eq!(mounts.made(before), Ok(made));
        for path in ["skills", "workspace/skills"] {
            assert_eq!(mounts.find(mounts.root(), path), Ok(made));
        }
        let name = Name::new("x").unwrap();
        mounts
            .volume(made)
            .create_directory(made.node, name)
            .unwrap();
        assert!(mounts.find(before, "x").is_ok());
    }

    #[test]
    fn a_mount_takes_a_free_path_of_its_own() {
        let refused = |path: &str| match mounts().read_only(path, archive()) {
            Ok(_) => panic!("{path} must be refused"),
            Err(error) => error.to_string(),
        };
        assert_eq!(refused("/tmp"), "cannot mount `/tmp`: already exists");
        assert_eq!(refused("/tmp/x"), "cannot mount `/tmp/x`: already exists");
        assert_eq!(refused("x"), "cannot mount `x`: invalid argument");
        assert_eq!(
            refused("/x/../y"),
            "cannot mount `/x/../y`: invalid argument"
        );
        assert_eq!(refused("/"), "cannot mount `/`: no such file or directory");
        let covered = mounts().read_only("/a/b", archive()).unwrap();
        assert!(covered.read_only("/a", archive()).is_err());
    }

    #[test]
    fn an_archive_takes_clean_paths_only() {
        let refused = |paths: &[&'static str]| {
            let files = paths.iter().map(|path| (*path, bytes::Bytes::new()));
            Archive::new(files)
                .err()
                .expect("it must be refused")
                .to_string()
        };
        assert_eq!(
            refused(&["../x"]),
            "cannot add `../x`: operation not permitted"
        );
        assert_eq!(refused(&["/x"]), "cannot add `/x`: operation not permitted");
        assert_eq!(refused(&["x", "x"]), "cannot add `x`: already exists");
        assert_eq!(refused(&["x", "x/y"]), "cannot add `x/y`: not a directory");
        assert_eq!(refused(&["x/y", "x"]), "cannot add `x`: already exists");
        assert_eq!(refused(&["x/"]), "cannot add `x/`: is a directory");
    }
}
