//! Linking `wasi:filesystem` into an engine's linker.
//!
//! The functions that take a path are linked by hand. The generated bindings
//! would stop a guest whose path is not UTF-8 (a file name in an old encoding
//! is enough) before any code of ours runs; here it becomes an error code that
//! the program can catch. It also spares copying a path that is too long.

use super::FilesView;
use super::bindings::wasi::filesystem::preopens;
use super::bindings::wasi::filesystem::types::{
    self, DescriptorFlags, ErrorCode, Host, HostDescriptor, NewTimestamp, OpenFlags, PathFlags,
};
use super::codes::Answer;
use super::descriptor::Descriptor;
use super::error::Error;
use super::path::MAX_PATH;
use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource, WasmStr};

struct Files;

impl HasData for Files {
    type Data<'a> = FilesView<'a>;
}

/// Links `wasi:filesystem/types` and `wasi:filesystem/preopens`. All functions
/// return at once, so this serves engines with and without asynchronous calls.
/// Shadowing in the linker is off afterwards, as it is by default.
pub fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> FilesView<'_>,
) -> wasmtime::Result<()> {
    types::add_to_linker::<T, Files>(linker, get)?;
    preopens::add_to_linker::<T, Files>(linker, get)?;
    linker.allow_shadowing(true);
    let linked = link_paths(linker, get);
    linker.allow_shadowing(false);
    linked
}

fn link_paths<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> FilesView<'_>,
) -> wasmtime::Result<()> {
    type Store<'a, T> = StoreContextMut<'a, T>;
    type Dir = Resource<Descriptor>;
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;

    types.func_wrap(
        "[method]descriptor.create-directory-at",
        move |mut store: Store<'_, T>, (dir, path): (Dir, WasmStr)| {
            let path = text(&store, &path);
            answer(get(store.data_mut()), |files| {
                files.create_directory_at(dir, path?)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.stat-at",
        move |mut store: Store<'_, T>, (dir, flags, path): (Dir, PathFlags, WasmStr)| {
            let path = text(&store, &path);
            answer(get(store.data_mut()), |files| {
                files.stat_at(dir, flags, path?)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.set-times-at",
        move |mut store: Store<'_, T>,
              (dir, flags, path, accessed, modified): (
            Dir,
            PathFlags,
            WasmStr,
            NewTimestamp,
            NewTimestamp,
        )| {
            let path = text(&store, &path);
            answer(get(store.data_mut()), |files| {
                files.set_times_at(dir, flags, path?, accessed, modified)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.link-at",
        move |mut store: Store<'_, T>,
              (dir, flags, old, new_dir, new): (Dir, PathFlags, WasmStr, Dir, WasmStr)| {
            let (old, new) = (text(&store, &old), text(&store, &new));
            answer(get(store.data_mut()), |files| {
                files.link_at(dir, flags, old?, new_dir, new?)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.open-at",
        move |mut store: Store<'_, T>,
              (dir, flags, path, how, mode): (
            Dir,
            PathFlags,
            WasmStr,
            OpenFlags,
            DescriptorFlags,
        )| {
            let path = text(&store, &path);
            answer(get(store.data_mut()), |files| {
                files.open_at(dir, flags, path?, how, mode)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.readlink-at",
        move |mut store: Store<'_, T>, (dir, path): (Dir, WasmStr)| {
            let path = text(&store, &path);
            answer(get(store.data_mut()), |files| files.readlink_at(dir, path?))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.remove-directory-at",
        move |mut store: Store<'_, T>, (dir, path): (Dir, WasmStr)| {
            let path = text(&store, &path);
            answer(get(store.data_mut()), |files| {
                files.remove_directory_at(dir, path?)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.rename-at",
        move |mut store: Store<'_, T>, (dir, old, new_dir, new): (Dir, WasmStr, Dir, WasmStr)| {
            let (old, new) = (text(&store, &old), text(&store, &new));
            answer(get(store.data_mut()), |files| {
                files.rename_at(dir, old?, new_dir, new?)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.symlink-at",
        move |mut store: Store<'_, T>, (dir, old, new): (Dir, WasmStr, WasmStr)| {
            let (old, new) = (text(&store, &old), text(&store, &new));
            answer(get(store.data_mut()), |files| {
                files.symlink_at(dir, old?, new?)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.unlink-file-at",
        move |mut store: Store<'_, T>, (dir, path): (Dir, WasmStr)| {
            let path = text(&store, &path);
            answer(get(store.data_mut()), |files| {
                files.unlink_file_at(dir, path?)
            })
        },
    )?;
    types.func_wrap(
        "[method]descriptor.metadata-hash-at",
        move |mut store: Store<'_, T>, (dir, flags, path): (Dir, PathFlags, WasmStr)| {
            let path = text(&store, &path);
            answer(get(store.data_mut()), |files| {
                files.metadata_hash_at(dir, flags, path?)
            })
        },
    )
}

/// A path out of the guest's memory.
fn text<T>(store: &StoreContextMut<'_, T>, path: &WasmStr) -> Result<String, Error> {
    let text = path.to_str(store).map_err(|_| Error::NotUtf8)?;
    if text.len() > MAX_PATH {
        return Err(Error::NameTooLong);
    }
    Ok(text.into_owned())
}

/// Calls a function and gives its answer the form that guests expect.
fn answer<R>(
    mut files: FilesView<'_>,
    call: impl FnOnce(&mut FilesView<'_>) -> Answer<R>,
) -> wasmtime::Result<(Result<R, ErrorCode>,)> {
    match call(&mut files) {
        Ok(result) => Ok((Ok(result),)),
        Err(failure) => Ok((Err(files.convert_error_code(failure)?),)),
    }
}
