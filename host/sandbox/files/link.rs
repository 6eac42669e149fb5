//! Linking `wasi:filesystem` into an engine's linker.
//!
//! The functions that take a path are linked by hand. The generated bindings
//! would stop a guest whose path is not UTF-8 (a file name in an old encoding
//! is enough) before any code of ours runs; here it becomes an error code that
//! the program can catch. It also spares copying a path that is too long.

use super::FilesView;
use super::bindings::wasi::filesystem::preopens;
use super::bindings::wasi::filesystem::types::{
    self, DescriptorFlags, ErrorCode, HostDescriptor, NewTimestamp, OpenFlags, PathFlags,
};
use super::codes::Answer;
use super::descriptor::Descriptor;
use super::error::Error;
use super::path::MAX_PATH;
use std::pin::Pin;
use wasmtime::StoreContextMut;
use wasmtime::component::{HasData, Linker, Resource, WasmStr};

struct Files;

impl HasData for Files {
    type Data<'a> = FilesView<'a>;
}

/// Brings a part of a generated tree up to date: the way to whoever knows its
/// content. What cannot be had is for the [`Source`](super::Source) to say.
pub(crate) type Refresh<T> =
    for<'a> fn(&'a mut T, String) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Links `wasi:filesystem/types` and `wasi:filesystem/preopens`, for engines
/// that call asynchronously: to look into a part of a generated tree is to wait
/// for `refresh`. Shadowing in the linker is off afterwards, as it is by
/// default.
pub(crate) fn add_to_linker<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> FilesView<'_>,
    refresh: Refresh<T>,
) -> wasmtime::Result<()> {
    types::add_to_linker::<T, Files>(linker, get)?;
    preopens::add_to_linker::<T, Files>(linker, get)?;
    linker.allow_shadowing(true);
    let linked = link_paths(linker, get, refresh);
    linker.allow_shadowing(false);
    linked
}

fn link_paths<T: Send + 'static>(
    linker: &mut Linker<T>,
    get: fn(&mut T) -> FilesView<'_>,
    refresh: Refresh<T>,
) -> wasmtime::Result<()> {
    type Dir = Resource<Descriptor>;
    let mut types = linker.instance("wasi:filesystem/types@0.2.12")?;

    // One function: its parameters, those of them that make the place to be
    // brought up to date first, and the function of the WIT.
    macro_rules! link {
        ($name:literal, ($($argument:ident: $kind:ty),*), $($dir:ident / $path:ident),+ => $call:ident) => {
            types.func_wrap_async(
                concat!("[method]descriptor.", $name),
                move |mut store: StoreContextMut<'_, T>, ($($argument,)*): ($($kind,)*)| {
                    $(let $path = text(&store, &$path);)+
                    Box::new(async move {
                        $(if let Ok(path) = &$path {
                            prepare(&mut store, &$dir, Some(path), get, refresh).await;
                        })+
                        answer(get(store.data_mut()), |files| {
                            $(let $path = $path?;)+
                            files.$call($($argument),*)
                        })
                    })
                },
            )?;
        };
    }
    link!("create-directory-at", (dir: Dir, path: WasmStr), dir / path => create_directory_at);
    link!("stat-at", (dir: Dir, flags: PathFlags, path: WasmStr), dir / path => stat_at);
    link!(
        "set-times-at",
        (dir: Dir, flags: PathFlags, path: WasmStr, accessed: NewTimestamp, modified: NewTimestamp),
        dir / path => set_times_at
    );
    link!(
        "link-at",
        (dir: Dir, flags: PathFlags, old: WasmStr, new_dir: Dir, new: WasmStr),
        dir / old, new_dir / new => link_at
    );
    link!(
        "open-at",
        (dir: Dir, flags: PathFlags, path: WasmStr, how: OpenFlags, mode: DescriptorFlags),
        dir / path => open_at
    );
    link!("readlink-at", (dir: Dir, path: WasmStr), dir / path => readlink_at);
    link!("remove-directory-at", (dir: Dir, path: WasmStr), dir / path => remove_directory_at);
    link!(
        "rename-at",
        (dir: Dir, old: WasmStr, new_dir: Dir, new: WasmStr),
        dir / old, new_dir / new => rename_at
    );
    link!(
        "symlink-at",
        (dir: Dir, old: WasmStr, new: WasmStr),
        dir / old, dir / new => symlink_at
    );
    link!("unlink-file-at", (dir: Dir, path: WasmStr), dir / path => unlink_file_at);
    link!("metadata-hash-at", (dir: Dir, flags: PathFlags, path: WasmStr), dir / path => metadata_hash_at);

    types.func_wrap_async(
        "[method]descriptor.read-directory",
        move |mut store: StoreContextMut<'_, T>, (dir,): (Dir,)| {
            Box::new(async move {
                prepare(&mut store, &dir, None, get, refresh).await;
                answer(get(store.data_mut()), |files| files.read_directory(dir))
            })
        },
    )
}

/// Brings up to date what a path leads into, or what a directory lists.
pub(crate) async fn prepare<T: Send + 'static>(
    store: &mut StoreContextMut<'_, T>,
    dir: &Resource<Descriptor>,
    path: Option<&str>,
    get: fn(&mut T) -> FilesView<'_>,
    refresh: Refresh<T>,
) {
    for count in 0.. {
        let files = get(store.data_mut());
        // A descriptor that is none is for the call itself to refuse.
        let dir = files.table.get(dir).ok();
        let Some(part) = dir.and_then(|dir| dir.part(path, count)) else {
            return;
        };
        refresh(store.data_mut(), part).await;
    }
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
    let answer = call(&mut files);
    Ok((files.answered(answer)?,))
}

#[cfg(test)]
mod tests {
    use super::super::{FilesCtx, Quota, Workspace};
    use super::*;
    use wasmtime::component::{Component, ResourceTable};
    use wasmtime::{Config, Engine, Store};

    struct State {
        files: FilesCtx,
        table: ResourceTable,
    }

    impl State {
        fn files(&mut self) -> FilesView<'_> {
            FilesView {
                ctx: &mut self.files,
                table: &mut self.table,
            }
        }
    }

    /// A guest that makes the directory `workspace/d` and one whose name is
    /// not UTF-8, built against another version of WASI 0.2. It returns the
    /// two error codes, 255 standing for success.
    const GUEST: &str = r#"
        (component
          (import "wasi:filesystem/types@0.2.0" (instance $types
            (export "descriptor" (type $descriptor (sub resource)))
            (type $codes (enum "access" "would-block" "already" "bad-descriptor" "busy"
              "deadlock" "quota" "exist" "file-too-large" "illegal-byte-sequence"
              "in-progress" "interrupted" "invalid" "io" "is-directory" "loop"
              "too-many-links" "message-size" "name-too-long" "no-device" "no-entry"
              "no-lock" "insufficient-memory" "insufficient-space" "not-directory"
              "not-empty" "not-recoverable" "unsupported" "no-tty" "no-such-device"
              "overflow" "not-permitted" "pipe" "read-only" "invalid-seek"
              "text-file-busy" "cross-device"))
            (export "error-code" (type $code (eq $codes)))
            (export "[method]descriptor.create-directory-at" (func
              (param "self" (borrow $descriptor)) (param "path" string)
              (result (result (error $code)))))))
          (alias export $types "descriptor" (type $descriptor))
          (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
            (alias outer 1 $descriptor (type $outer))
            (export "descriptor" (type $descriptor (eq $outer)))
            (export "get-directories" (func
              (result (list (tuple (own $descriptor) string)))))))
          (core module $memory
            (memory (export "memory") 1)
            (global $next (mut i32) (i32.const 4096))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32)
              global.get $next
              (global.set $next (i32.add (global.get $next)
                (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16)))))
            (data (i32.const 0) "workspace/dworkspace/\ff\fe"))
          (core instance $memory (instantiate $memory))
          (core func $get-directories (canon lower (func $preopens "get-directories")
            (memory (core memory $memory "memory"))
            (realloc (core func $memory "realloc"))))
          (core func $create (canon lower
            (func $types "[method]descriptor.create-directory-at")
            (memory (core memory $memory "memory"))))
          (core module $program
            (import "" "memory" (memory 1))
            (import "" "get-directories" (func $get-directories (param i32)))
            (import "" "create" (func $create (param i32 i32 i32 i32)))
            (func $code (param $path i32) (param $length i32) (result i32)
              (call $create (i32.load (i32.load (i32.const 100)))
                (local.get $path) (local.get $length) (i32.const 200))
              (if (result i32) (i32.load8_u (i32.const 200))
                (then (i32.load8_u (i32.const 201)))
                (else (i32.const 255))))
            (func (export "run") (result i32)
              (call $get-directories (i32.const 100))
              (i32.add
                (i32.mul (call $code (i32.const 0) (i32.const 11)) (i32.const 256))
                (call $code (i32.const 11) (i32.const 12)))))
          (core instance $program (instantiate $program (with "" (instance
            (export "memory" (memory $memory "memory"))
            (export "get-directories" (func $get-directories))
            (export "create" (func $create))))))
          (func (export "run") (result u32) (canon lift (core func $program "run"))))"#;

    #[tokio::test]
    async fn a_path_that_is_not_utf8_is_a_code_and_not_the_end() {
        let engine = Engine::new(&Config::new()).unwrap();
        let component = Component::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
        let mut linker = Linker::<State>::new(&engine);
        add_to_linker(&mut linker, State::files, |_, _| Box::pin(async {})).unwrap();
        let workspace = Workspace::new(Quota::default());
        let state = State {
            files: FilesCtx::new(&workspace),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&engine, state);
        let instance = linker
            .instantiate_async(&mut store, &component)
            .await
            .unwrap();
        let run = instance
            .get_typed_func::<(), (u32,)>(&mut store, "run")
            .unwrap();
        let (codes,) = run.call_async(&mut store, ()).await.unwrap();
        assert_eq!(codes / 256, 255, "`workspace/d` is made");
        assert_eq!(codes % 256, ErrorCode::IllegalByteSequence as u32);
        assert_eq!(&*workspace.list(".").unwrap()[0].name, "d");
    }
}
