//! Operations of a program on its files, against a model that knows paths, contents
//! and who holds what, and nothing else.
//!
//! What the model allows is done and what it forbids is refused; a quota may refuse
//! more, and only when it is used up; usage is what is there, and nothing is left of
//! what was closed. Some inputs are run on a directory of the host too, which answers
//! alike.

use std::collections::BTreeMap;

use sandbox::files::fuzzing::{Guest, How, Refused};
use sandbox::files::{Quota, Usage, Workspace};

use crate::input::Input;
use crate::runner::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "files",
    run,
    seeds: Vec::new,
    words: &[],
    longest: 4 << 10,
    memory: |_| 64 << 20,
};

const SMALL: Quota = Quota {
    bytes: 3_000,
    file_bytes: 1_000,
    inodes: 8,
};

/// Large enough for any input.
const LARGE: Quota = Quota {
    bytes: 1 << 30,
    file_bytes: 1 << 20,
    inodes: 10_000,
};

/// What is done.
#[derive(Debug, Clone)]
enum Step {
    Open(String, How),
    Close(usize),
    Read(usize, u64, u64),
    Write(usize, u8, usize, u64),
    SetSize(usize, u64),
    Stat(String),
    CreateDirectory(String),
    RemoveDirectory(String),
    RemoveFile(String),
    Rename(String, String),
    Link(String, String, bool),
    List(usize),
}

/// What came of it, as far as programs see it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Done {
    Nothing,
    Count(u64),
    Bytes(Vec<u8>, bool),
    Names(Vec<String>),
    Known(bool, u64),
}

fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let folder = input
        .once_in(24)
        .then(|| tempfile::tempdir().expect("a folder"));
    let quota = if folder.is_some() { LARGE } else { SMALL };
    let workspace = Workspace::new(quota);
    let mut side = Side::new(&workspace);
    let mut disk = folder.as_ref().map(|folder| {
        let workspace = Workspace::open(&folder.path().join("workspace"), quota);
        let workspace = workspace.expect("a folder");
        (Side::new(&workspace), workspace)
    });
    let mut model = Model::new(quota);
    while !input.is_empty() {
        let step = step(&mut input, disk.is_some());
        let expected = model.expect(&step);
        let done = side.carry_out(&step);
        match (&expected, &done) {
            (Ok(expected), Ok(done)) => assert_eq!(expected, done, "{step:?}"),
            (Err(Why::Quota), Err(_)) | (Err(Why::Rules), Err(_)) => {}
            _ => panic!("{step:?}: expected {expected:?}, got {done:?}"),
        }
        model.settle();
        assert_eq!(workspace.usage(), model.usage(), "{step:?}");
        assert_eq!(workspace.usage(), workspace.recount(), "{step:?}");
        if let Some((disk, workspace)) = &mut disk {
            assert_eq!(disk.carry_out(&step), done, "{step:?} on a disk");
            assert_eq!(workspace.usage(), workspace.recount(), "{step:?} on a disk");
        }
    }
    let walked = workspace.walk().expect("files can be listed");
    let there: Vec<_> = walked.into_iter().map(|(path, _)| path).collect();
    assert_eq!(there, model.below(Model::WORKSPACE, ""));
    for side in [Some(side), disk.map(|(side, _)| side)]
        .into_iter()
        .flatten()
    {
        side.end();
    }
    model.handles.clear();
    model.settle();
    assert_eq!(workspace.usage(), model.usage(), "all is closed");
}

/// A program and its open files.
struct Side {
    guest: Guest,
    handles: Vec<u32>,
    before: usize,
}

impl Side {
    fn new(workspace: &Workspace) -> Self {
        let guest = Guest::new(workspace);
        let before = guest.open_handles();
        Self {
            guest,
            handles: Vec::new(),
            before,
        }
    }

    fn carry_out(&mut self, step: &Step) -> Result<Done, Refused> {
        let guest = &mut self.guest;
        let none = || Refused::from("there is no such handle");
        let handle = |at: &usize| self.handles.get(*at).copied().ok_or_else(none);
        match step {
            Step::Open(path, how) => {
                let handle = guest.open(path, *how)?;
                self.handles.push(handle);
                Ok(Done::Nothing)
            }
            Step::Close(at) => {
                guest.close(handle(at)?);
                self.handles.remove(*at);
                Ok(Done::Nothing)
            }
            Step::Read(at, length, offset) => {
                let (bytes, is_end) = guest.read(handle(at)?, *length, *offset)?;
                Ok(Done::Bytes(bytes, is_end))
            }
            Step::Write(at, byte, length, offset) => {
                let written = guest.write(handle(at)?, &vec![*byte; *length], *offset)?;
                Ok(Done::Count(written))
            }
            Step::SetSize(at, size) => done(guest.set_size(handle(at)?, *size)),
            Step::Stat(path) => {
                let known = guest.stat_at(path)?;
                Ok(Done::Known(known.is_directory, known.size))
            }
            Step::CreateDirectory(path) => done(guest.create_directory(path)),
            Step::RemoveDirectory(path) => done(guest.remove_directory(path)),
            Step::RemoveFile(path) => done(guest.remove_file(path)),
            Step::Rename(from, to) => done(guest.rename(from, to)),
            Step::Link(from, to, is_symbolic) => done(guest.link(from, to, *is_symbolic)),
            Step::List(at) => Ok(Done::Names(guest.list(handle(at)?)?)),
        }
    }

    fn end(mut self) {
        for handle in self.handles.drain(..) {
            self.guest.close(handle);
        }
        assert_eq!(self.guest.open_handles(), self.before, "handles are left");
    }
}

fn done(done: Result<(), Refused>) -> Result<Done, Refused> {
    done.map(|()| Done::Nothing)
}

fn step(input: &mut Input<'_>, is_on_disk: bool) -> Step {
    let at = input.below(6);
    match input.below(16) {
        0..=3 => {
            let how = How {
                create: input.once_in(2),
                exclusive: input.once_in(6),
                truncate: input.once_in(6),
                directory: input.once_in(6),
                read: !input.once_in(3),
                write: input.once_in(2),
            };
            Step::Open(path(input), how)
        }
        4 => Step::Close(at),
        5 => Step::Read(at, amount(input), amount(input)),
        6 | 7 => {
            let length = input.below(600);
            Step::Write(at, input.below(256) as u8, length, amount(input))
        }
        8 => Step::SetSize(at, amount(input)),
        9 => Step::Stat(path(input)),
        10 => Step::CreateDirectory(path(input)),
        11 => Step::RemoveDirectory(path(input)),
        12 => Step::RemoveFile(path(input)),
        13 => {
            let (from, mut to) = (path(input), path(input));
            // `/tmp` is in memory then, and a mount of its own.
            if is_on_disk && from.contains("tmp") != to.contains("tmp") {
                to.clone_from(&from);
            }
            Step::Rename(from, to)
        }
        14 => Step::Link(path(input), path(input), input.once_in(2)),
        _ => Step::List(at),
    }
}

/// An offset, a length or a size.
fn amount(input: &mut Input<'_>) -> u64 {
    match input.below(12) {
        0 => input.number(),
        _ => input.below(1_200) as u64,
    }
}

/// A path from the root, often one that exists, written in some way.
fn path(input: &mut Input<'_>) -> String {
    let mut path = input.one_of(&[
        "workspace",
        "workspace",
        "workspace",
        "tmp",
        "",
        "a",
        "/tmp",
    ]);
    let mut path = std::mem::take(&mut path).to_owned();
    for _ in 0..input.below(4) {
        path.push_str(input.one_of(&["/", "/", "/", "/", "/", "//", "/./"]));
        path.push_str(input.one_of(&["a", "b", "a", "b", "c", "é", "..", ".", "a\0", ""]));
    }
    path
}

/// Why something cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Rules,
    Quota,
}

type Id = usize;

enum Body {
    File(Vec<u8>),
    Directory(BTreeMap<String, Id>),
}

struct Model {
    quota: Quota,
    nodes: BTreeMap<Id, Body>,
    next: Id,
    /// What is open, and whether for reading and for writing.
    handles: Vec<(Id, bool, bool)>,
}

/// What the last name of a path means.
enum Place {
    /// A name, taken or not, and whether a directory is demanded.
    Name(Id, String, bool),
    /// What has no name that can be changed.
    Fixed(Id),
}

impl Model {
    const ROOT: Id = 0;
    const WORKSPACE: Id = 1;
    const TEMPORARY: Id = 2;
    const SKILLS: Id = 3;

    fn new(quota: Quota) -> Self {
        let named = |names: &[(&str, Id)]| {
            let names = names.iter().map(|(name, id)| ((*name).to_owned(), *id));
            Body::Directory(names.collect())
        };
        let fixed = [
            ("workspace", Self::WORKSPACE),
            ("tmp", Self::TEMPORARY),
            ("skills", Self::SKILLS),
        ];
        let nodes = [named(&fixed), named(&[]), named(&[]), named(&[])];
        Self {
            quota,
            nodes: nodes.into_iter().enumerate().collect(),
            next: 4,
            handles: Vec::new(),
        }
    }

    fn usage(&self) -> Usage {
        let own = self.nodes.range(Self::SKILLS + 1..);
        let bytes = own.clone().map(|(_, body)| match body {
            Body::File(bytes) => bytes.len() as u64,
            Body::Directory(_) => 0,
        });
        Usage {
            bytes: bytes.sum(),
            inodes: own.count() as u64,
        }
    }

    fn entries(&self, id: Id) -> Result<&BTreeMap<String, Id>, Why> {
        match self.nodes.get(&id) {
            Some(Body::Directory(entries)) => Ok(entries),
            _ => Err(Why::Rules),
        }
    }

    fn entries_mut(&mut self, id: Id) -> &mut BTreeMap<String, Id> {
        match self.nodes.get_mut(&id) {
            Some(Body::Directory(entries)) => entries,
            _ => panic!("it is a directory"),
        }
    }

    /// Each path below a directory.
    fn below(&self, id: Id, prefix: &str) -> Vec<String> {
        let mut paths = Vec::new();
        for (name, &id) in self.entries(id).expect("it is a directory") {
            let path = format!("{prefix}{name}");
            let is_directory = self.entries(id).is_ok();
            paths.push(path.clone());
            if is_directory {
                paths.extend(self.below(id, &format!("{path}/")));
            }
        }
        paths
    }

    fn walk(&self, steps: &[&str]) -> Result<Id, Why> {
        let (mut here, mut above) = (Self::ROOT, Vec::new());
        for step in steps {
            let entries = self.entries(here)?;
            here = match *step {
                ".." => above.pop().ok_or(Why::Rules)?,
                name => {
                    above.push(here);
                    *entries.get(name).ok_or(Why::Rules)?
                }
            };
        }
        Ok(here)
    }

    fn place(&self, path: &str) -> Result<Place, Why> {
        if path.is_empty() || path.starts_with('/') || path.contains('\0') {
            return Err(Why::Rules);
        }
        let steps: Vec<&str> = path
            .split('/')
            .filter(|step| !step.is_empty() && *step != ".")
            .collect();
        let last = path.trim_end_matches('/').rsplit('/').next();
        let is_named = !matches!(last, None | Some("" | "." | ".."));
        if !is_named {
            let id = self.walk(&steps)?;
            self.entries(id)?;
            return Ok(Place::Fixed(id));
        }
        let (name, parents) = steps.split_last().ok_or(Why::Rules)?;
        let parent = self.walk(parents)?;
        let taken = self.entries(parent)?.get(*name);
        Ok(match taken {
            Some(&id) if parent == Self::ROOT => Place::Fixed(id),
            _ => Place::Name(parent, (*name).to_owned(), path.ends_with('/')),
        })
    }

    fn find(&self, path: &str) -> Result<Id, Why> {
        let id = match self.place(path)? {
            Place::Fixed(id) => id,
            Place::Name(parent, name, directory) => {
                let id = *self.entries(parent)?.get(&name).ok_or(Why::Rules)?;
                if directory {
                    self.entries(id)?;
                }
                id
            }
        };
        Ok(id)
    }

    /// A name that can be changed.
    fn changeable(&self, path: &str) -> Result<(Id, String, bool), Why> {
        match self.place(path)? {
            Place::Name(parent, name, directory) if parent != Self::ROOT => {
                Ok((parent, name, directory))
            }
            _ => Err(Why::Rules),
        }
    }

    /// Adds a node, if it is still named what it was to be named in.
    fn add(&mut self, parent: Id, name: String, body: Body) -> Result<Id, Why> {
        // What was removed and is only held takes nothing any more; a path does
        // not lead there.
        if self.usage().inodes >= self.quota.inodes {
            return Err(Why::Quota);
        }
        let id = self.next;
        self.next += 1;
        self.nodes.insert(id, body);
        self.entries_mut(parent).insert(name, id);
        Ok(id)
    }

    fn handle(&self, at: usize) -> Result<(Id, bool, bool), Why> {
        self.handles.get(at).copied().ok_or(Why::Rules)
    }

    fn file(&mut self, id: Id) -> Result<&mut Vec<u8>, Why> {
        match self.nodes.get_mut(&id) {
            Some(Body::File(bytes)) => Ok(bytes),
            _ => Err(Why::Rules),
        }
    }

    /// The size that a file may take now.
    fn largest(&self, size: usize) -> usize {
        let rest = self.quota.bytes - self.usage().bytes;
        (size as u64 + rest).min(self.quota.file_bytes) as usize
    }

    /// Does a step, and says what a program sees.
    fn expect(&mut self, step: &Step) -> Result<Done, Why> {
        match step {
            Step::Open(path, how) => self.open(path, *how)?,
            Step::Close(at) => {
                self.handle(*at)?;
                self.handles.remove(*at);
            }
            Step::Read(at, length, offset) => {
                let (id, reads, _) = self.handle(*at)?;
                let bytes = self.file(id)?;
                if !reads {
                    return Err(Why::Rules);
                }
                let start = (*offset).min(bytes.len() as u64) as usize;
                let end = (start as u64)
                    .saturating_add(*length)
                    .min(bytes.len() as u64);
                let read = bytes[start..end as usize].to_vec();
                let reached = offset.saturating_add(read.len() as u64);
                return Ok(Done::Bytes(read, reached >= bytes.len() as u64));
            }
            Step::Write(at, byte, length, offset) => {
                return self.write(*at, &vec![*byte; *length], *offset);
            }
            Step::SetSize(at, size) => {
                let (id, _, writes) = self.handle(*at)?;
                let before = self.file(id)?.len();
                if !writes {
                    return Err(Why::Rules);
                }
                if *size > before as u64 && *size > self.largest(before) as u64 {
                    return Err(Why::Quota);
                }
                self.file(id)?.resize(*size as usize, 0);
            }
            Step::Stat(path) => {
                let id = self.find(path)?;
                let size = self.file(id).map_or(0, |bytes| bytes.len() as u64);
                return Ok(Done::Known(self.entries(id).is_ok(), size));
            }
            Step::CreateDirectory(path) => {
                let (parent, name, _) = self.changeable(path)?;
                if self.entries(parent)?.contains_key(&name) {
                    return Err(Why::Rules);
                }
                self.add(parent, name, Body::Directory(BTreeMap::new()))?;
            }
            Step::RemoveDirectory(path) => {
                let (parent, name, _) = self.changeable(path)?;
                let id = *self.entries(parent)?.get(&name).ok_or(Why::Rules)?;
                if !self.entries(id)?.is_empty() {
                    return Err(Why::Rules);
                }
                self.entries_mut(parent).remove(&name);
            }
            Step::RemoveFile(path) => {
                let (parent, name, directory) = self.changeable(path)?;
                let id = *self.entries(parent)?.get(&name).ok_or(Why::Rules)?;
                self.file(id)?;
                if directory {
                    return Err(Why::Rules);
                }
                self.entries_mut(parent).remove(&name);
            }
            Step::Rename(from, to) => self.rename(from, to)?,
            Step::Link(..) => return Err(Why::Rules),
            Step::List(at) => {
                let (id, ..) = self.handle(*at)?;
                return Ok(Done::Names(self.entries(id)?.keys().cloned().collect()));
            }
        }
        Ok(Done::Nothing)
    }

    fn open(&mut self, path: &str, how: How) -> Result<(), Why> {
        let makes = how.create || how.exclusive || how.truncate;
        if how.directory && makes {
            return Err(Why::Rules);
        }
        let changes = how.create || how.truncate || how.write;
        let (found, free) = match self.place(path)? {
            Place::Fixed(_) if how.exclusive || changes => return Err(Why::Rules),
            Place::Fixed(id) => (Some(id), None),
            Place::Name(parent, name, directory) => {
                let taken = self.entries(parent)?.get(&name).copied();
                if let Some(id) = taken
                    && directory
                {
                    self.entries(id)?;
                }
                (taken, Some((parent, name, directory)))
            }
        };
        let id = match (found, free) {
            (Some(_), _) if how.exclusive => return Err(Why::Rules),
            (Some(id), _) => {
                let is_directory = self.entries(id).is_ok();
                if is_directory && changes || !is_directory && how.directory {
                    return Err(Why::Rules);
                }
                if how.truncate {
                    self.file(id)?.clear();
                }
                id
            }
            (None, Some((parent, name, false))) if how.create && parent != Self::ROOT => {
                self.add(parent, name, Body::File(Vec::new()))?
            }
            _ => return Err(Why::Rules),
        };
        self.handles.push((id, how.read, how.write));
        Ok(())
    }

    fn write(&mut self, at: usize, bytes: &[u8], offset: u64) -> Result<Done, Why> {
        let (id, _, writes) = self.handle(at)?;
        let size = self.file(id)?.len();
        if !writes {
            return Err(Why::Rules);
        }
        if bytes.is_empty() {
            return Ok(Done::Count(0));
        }
        let largest = self.largest(size).max(size);
        let Some(offset) = usize::try_from(offset).ok().filter(|at| *at < largest) else {
            return Err(Why::Quota);
        };
        let length = bytes.len().min(largest - offset);
        let file = self.file(id)?;
        file.resize(size.max(offset + length), 0);
        file[offset..offset + length].copy_from_slice(&bytes[..length]);
        Ok(Done::Count(length as u64))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), Why> {
        let (from, to) = (self.changeable(from)?, self.changeable(to)?);
        let id = *self.entries(from.0)?.get(&from.1).ok_or(Why::Rules)?;
        let is_directory = self.entries(id).is_ok();
        if (from.2 || to.2) && !is_directory {
            return Err(Why::Rules);
        }
        if is_directory && (to.0 == id || self.is_below(id, to.0)) {
            return Err(Why::Rules);
        }
        if let Some(&replaced) = self.entries(to.0)?.get(&to.1) {
            if replaced == id {
                return Ok(());
            }
            let replaces_directory = self.entries(replaced).is_ok();
            if replaces_directory != is_directory
                || replaces_directory && !self.entries(replaced)?.is_empty()
            {
                return Err(Why::Rules);
            }
        }
        self.entries_mut(from.0).remove(&from.1);
        self.entries_mut(to.0).insert(to.1, id);
        Ok(())
    }

    fn is_below(&self, above: Id, id: Id) -> bool {
        self.entries(above).is_ok_and(|entries| {
            let mut entries = entries.values();
            entries.any(|&entry| entry == id || self.is_below(entry, id))
        })
    }

    /// Forgets what has neither a name nor a holder.
    fn settle(&mut self) {
        let mut named: Vec<Id> = (Self::ROOT..=Self::SKILLS).collect();
        named.extend(self.handles.iter().map(|handle| handle.0));
        for body in self.nodes.values() {
            if let Body::Directory(entries) = body {
                named.extend(entries.values());
            }
        }
        self.nodes.retain(|id, _| named.contains(id));
    }
}
