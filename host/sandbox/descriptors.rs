//! The numbers under which a module of WASI preview 1 holds what it opened.
//!
//! How many there can be is bounded by what a session may hold open: each file
//! has a permit of its own.

use std::sync::Arc;

use wasmtime::component::Resource;

use crate::console::Stream;
use crate::files::Descriptor;

/// What stands behind a number.
pub(crate) enum Opened {
    /// Standard input, which is at its end.
    Stdin,
    /// Standard output or error.
    Output(Stream),
    /// A file or directory.
    File(OpenFile),
}

/// A file or directory.
pub(crate) struct OpenFile {
    descriptor: Resource<Descriptor>,
    pub(crate) directory: bool,
    /// The name of a directory that was there from the start.
    pub(crate) name: Option<String>,
    /// What it was opened for, in the bits of preview 1.
    pub(crate) rights: u64,
    /// How it is written, in the bits of preview 1.
    pub(crate) flags: u16,
    pub(crate) position: u64,
    pub(crate) listed: Listed,
}

/// Where a listing of a directory goes on: the place behind each of the last two
/// entries that were listed, and the name of that entry. The last one may not
/// have come whole.
pub(crate) type Listed = [Option<(u64, Arc<str>)>; 2];

impl OpenFile {
    pub(crate) fn new(descriptor: Resource<Descriptor>, directory: bool) -> Self {
        Self {
            descriptor,
            directory,
            name: None,
            rights: 0,
            flags: 0,
            position: 0,
            listed: Listed::default(),
        }
    }

    /// The descriptor, to be used and not to be closed.
    pub(crate) fn descriptor(&self) -> Resource<Descriptor> {
        Resource::new_borrow(self.descriptor.rep())
    }

    /// The descriptor, to be closed.
    pub(crate) fn into_descriptor(self) -> Resource<Descriptor> {
        self.descriptor
    }
}

/// All numbers of a module.
#[derive(Default)]
pub(crate) struct Descriptors {
    opened: Vec<Option<Opened>>,
}

impl Descriptors {
    /// What stands behind a number.
    pub(crate) fn get(&self, number: u32) -> Option<&Opened> {
        self.opened.get(number as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, number: u32) -> Option<&mut Opened> {
        self.opened.get_mut(number as usize)?.as_mut()
    }

    /// Gives the lowest number that is free.
    pub(crate) fn add(&mut self, opened: Opened) -> u32 {
        let free = self.opened.iter().position(Option::is_none);
        let number = free.unwrap_or(self.opened.len());
        if free.is_none() {
            self.opened.push(None);
        }
        self.opened[number] = Some(opened);
        number as u32
    }

    /// Frees a number.
    pub(crate) fn remove(&mut self, number: u32) -> Option<Opened> {
        self.opened.get_mut(number as usize)?.take()
    }

    /// Gives what stands behind one number another, which is in use; what stood
    /// there is to be closed.
    pub(crate) fn replace(&mut self, from: u32, to: u32) -> Option<Opened> {
        let moved = self.remove(from)?;
        self.opened.get_mut(to as usize)?.replace(moved)
    }
}
