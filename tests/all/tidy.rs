//! Where documentation, artefacts or decisions can drift from the code.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::root;

/// The files with this ending below a folder, except in hidden folders and those
/// of builds and packages.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)
        .expect("a folder of the repository")
        .flatten()
    {
        let path = entry.path();
        if path.is_dir() {
            let name = entry.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if !hidden && name != "target" && name != "node_modules" {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

#[test]
fn compiled_code_is_loaded_in_one_place() {
    let mut places = Vec::new();
    for path in files(&root().join("host"), "rs") {
        // What a test makes itself, it may load.
        if path.starts_with(root().join("host/worker/tests")) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for _ in text
            .matches("Component::deserialize")
            .chain(text.matches("Module::deserialize"))
        {
            places.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    // One function for components and modules, on disk and in memory.
    assert_eq!(places, [Path::new("host/sandbox/engine/cache.rs"); 4]);
}

/// Where somebody answers for it that a file is machine code of ours.
#[test]
fn machine_code_of_other_processes_comes_in_by_few_ways() {
    let mut places = Vec::new();
    for path in files(&root().join("host"), "rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        for _ in text.matches("unsafe { Artifact::of_file(") {
            places.push(path.strip_prefix(root()).unwrap().to_owned());
        }
    }
    places.sort();
    let expected = [
        // From the cache.
        "host/sandbox/engine/cache.rs",
        // From a compiler, to its coordinator.
        "host/worker/compiler.rs",
        // From its coordinator, to a worker.
        "host/worker/session.rs",
    ];
    assert_eq!(places, expected.map(Path::new));
}

#[test]
fn wasmtime_has_only_the_features_we_chose() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--edges",
            "normal,features",
            "--invert",
            "wasmtime",
            "--depth",
            "1",
            "--prefix",
            "none",
        ])
        .args(["--offline", "--package", "wasmtime"])
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for refused in [
        "component-model-async",
        "threads",
        "gc",
        "stack-switching",
        "wat",
        "cache",
        "profiling",
        "debug",
        "coredump",
    ] {
        assert!(
            !text
                .lines()
                .any(|line| line.contains(&format!("wasmtime feature \"{refused}\""))),
            "wasmtime has the feature {refused}:\n{text}"
        );
    }
    assert!(
        text.contains("wasmtime feature \"component-model\""),
        "{text}"
    );
    let wasi = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--edges",
            "features",
            "--invert",
            "wasmtime-wasi",
            "--depth",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&wasi.stdout);
    assert!(
        text.contains("feature \"p2\"") && !text.contains("feature \"p3\""),
        "{text}"
    );
}

#[test]
fn the_vendored_wit_is_current() {
    let output = Command::new(root().join("wit/vendor"))
        .arg("--check")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn files_stay_readable() {
    for folder in ["host", "stubs"] {
        for path in files(&root().join(folder), "rs") {
            if path.ends_with("tests.rs") {
                continue;
            }
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            assert!(
                lines <= 800,
                "{} has {lines} lines; look for the second noun",
                path.display()
            );
        }
    }
}

/// The digest of what a shell command prints, run in the repository.
pub fn digest(command: &str) -> String {
    let output = Command::new("sh")
        .args(["-c", &format!("{command} | sha256sum")])
        .current_dir(root())
        .output()
        .expect("a shell starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().next().expect("a digest").to_owned()
}

/// A source that changed without its guest being rebuilt shows here.
#[test]
fn the_guests_are_built_from_their_sources() {
    let check = Command::new(root().join("guest-python/build"))
        .arg("--check")
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );

    let recorded = std::fs::read_to_string(root().join("guest-js/js.wasm.sources")).unwrap();
    let expected = format!(
        "sources {}\nartefact {}\n",
        digest("guest-js/build sources"),
        digest("cat guest-js/js.wasm.zst")
    );
    assert_eq!(
        recorded, expected,
        "rebuild the guest with `guest-js/build`"
    );
}

#[test]
fn the_test_component_is_built_from_its_sources() {
    let folder = "tests/components/typed-rust";
    let recorded = root().join(folder).join("typed-rust.wasm.sources");
    let expected = format!(
        "sources {}\nartefact {}\n",
        digest(&format!("{folder}/build sources")),
        digest(&format!("cat {folder}/typed-rust.wasm"))
    );
    assert_eq!(
        std::fs::read_to_string(recorded).unwrap(),
        expected,
        "rebuild the component with `{folder}/build`"
    );
}
