//! Calls every function of `wasi:filesystem`, as the text of WASI 0.2 has it,
//! and says what came of it.
//!
//! The arguments are a scenario and the directory to work in. What was not as
//! expected is printed as `FAILED ...`, and the status says whether anything
//! was. Every answer that was seen is printed at the end as `seen FUNCTION
//! ANSWER`, so that the host can tell what was not tried.

mod handles;
mod limits;
mod paths;
mod readonly;
mod report;
mod speed;

wit_bindgen::generate!({
    path: "../../../wit",
    inline: "
        package tests:files;

        world files {
            import wasi:filesystem/types@0.2.12;
            import wasi:filesystem/preopens@0.2.12;
            import wasi:clocks/monotonic-clock@0.2.12;
            import wasi:cli/environment@0.2.12;
            import wasi:cli/stdout@0.2.12;
            export wasi:cli/run@0.2.12;
        }
    ",
    world: "tests:files/files",
    generate_all,
});

use report::{Answer, call, expect};
use wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};

pub(crate) use wasi::filesystem::types::ErrorCode as Code;

struct Program;

export!(Program);

impl exports::wasi::cli::run::Guest for Program {
    fn run() -> Result<(), ()> {
        let arguments = wasi::cli::environment::get_arguments();
        let [_, scenario, path] = arguments.as_slice() else {
            report::line("usage: files SCENARIO DIRECTORY");
            return Err(());
        };
        let directories = wasi::filesystem::preopens::get_directories();
        let names: Vec<&str> = directories.iter().map(|(_, name)| name.as_str()).collect();
        let expected = ["/workspace", "/servers", "/skills", "/tmp", "/", "."];
        expect("the directories that are given", &names, &expected);
        let Some((root, _)) = directories.iter().find(|(_, name)| name == "/") else {
            return Err(());
        };
        let base = open(
            root,
            path.trim_start_matches('/'),
            OpenFlags::DIRECTORY,
            DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY,
        )
        .or_else(|_| {
            open(
                root,
                path.trim_start_matches('/'),
                OpenFlags::DIRECTORY,
                READ,
            )
        });
        let Ok(base) = base else {
            report::line("there is no such directory");
            return Err(());
        };
        match scenario.as_str() {
            "all" => {
                paths::run(root, &base);
                handles::run(&base);
            }
            "read-only" => readonly::run(root, &base),
            "file-size" => limits::file_size(&base),
            "space" => limits::space(&base),
            "files" => limits::files(&base),
            "depth" => limits::depth(&base),
            "descriptors" => limits::descriptors(&base),
            "prepare" => limits::prepare(&base),
            "planted" => limits::planted(&base),
            "write" | "read" | "small" => speed::run(scenario, &base),
            other => expect("a scenario", &other, &"known"),
        }
        report::end()
    }
}

pub(crate) const READ: DescriptorFlags = DescriptorFlags::READ;
pub(crate) const WRITE: DescriptorFlags = DescriptorFlags::WRITE;
pub(crate) const BOTH: DescriptorFlags = READ.union(WRITE);
pub(crate) const CREATE: OpenFlags = OpenFlags::CREATE;
pub(crate) const NEW: OpenFlags = CREATE.union(OpenFlags::EXCLUSIVE);
pub(crate) const PLAIN: OpenFlags = OpenFlags::empty();
pub(crate) const NO_LINKS: PathFlags = PathFlags::empty();

pub(crate) fn open(
    base: &Descriptor,
    path: &str,
    how: OpenFlags,
    flags: DescriptorFlags,
) -> Answer<Descriptor> {
    call("open-at", base.open_at(NO_LINKS, path, how, flags))
}

/// A new file with these bytes, open for both. What stands there goes first.
pub(crate) fn file(base: &Descriptor, path: &str, bytes: &[u8]) -> Descriptor {
    let _ = base.unlink_file_at(path);
    let file = base
        .open_at(NO_LINKS, path, NEW, BOTH)
        .unwrap_or_else(|code| panic!("cannot make {path}: {code:?}"));
    let mut written = 0;
    while written < bytes.len() {
        written += file
            .write(&bytes[written..], written as u64)
            .expect("a new file can be written") as usize;
    }
    file
}

/// All bytes of a file.
pub(crate) fn content(base: &Descriptor, path: &str) -> Answer<Vec<u8>> {
    let file = open(base, path, PLAIN, READ)?;
    let mut bytes = Vec::new();
    loop {
        let (more, end) = call("read", file.read(1 << 20, bytes.len() as u64))?;
        bytes.extend(more);
        if end {
            return Ok(bytes);
        }
    }
}
