//! `exec --workspace`, `--input` and `--output`: what goes into the sandbox
//! and what comes out, on a real disk.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};

use crate::harness::{Place, Ran, contains, ok};

const WRITE: &str = "open('/workspace/kept.txt', 'w').write('kept')";

/// What a refused command says; its answer in JSON says the same.
#[track_caller]
fn refused(place: &Place, arguments: &[&str]) -> String {
    let ran = place.run(arguments).fails_with(2);
    let with_json: Vec<&str> = std::iter::once("exec")
        .chain(["--json"])
        .chain(arguments[1..].iter().copied())
        .collect();
    let report = place.run(&with_json).json();
    assert_eq!(report["error"]["kind"], "UsageError", "{report:#}");
    assert!(
        ran.stderr
            .contains(report["error"]["message"].as_str().unwrap()),
        "{}",
        ran.stderr
    );
    ran.stderr
}

#[track_caller]
fn says(text: &str, part: &str) {
    assert!(text.contains(part), "expected `{part}` in:\n{text}");
}

fn fifo(path: std::path::PathBuf) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0)
        .expect("a named pipe can be made");
}

#[test]
fn a_workspace_in_memory_ends_with_the_run() {
    let place = Place::new();
    place.run(&["exec", "-c", WRITE]).succeeds();
    let found = ok(place.python("import os; os.listdir('/workspace')"));
    assert_eq!(found, json!([]));
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1, "the script");
}

#[test]
fn a_workspace_in_a_directory_is_kept() {
    let place = Place::new();
    let ran = place
        .run(&["exec", "--workspace", "deep/ws", "-c", WRITE])
        .succeeds();
    says(
        &ran.stderr,
        "note: made the directory `deep/ws` for the workspace",
    );
    assert_eq!(place.read("deep/ws/kept.txt"), "kept");
    let mode = |name| fs::metadata(place.path().join(name)).unwrap().mode() & 0o777;
    assert_eq!((mode("deep"), mode("deep/ws")), (0o700, 0o700));

    place.write("deep/ws/sub/given.txt", "given");
    let read = "[open('/workspace/kept.txt').read(), open('/workspace/sub/given.txt').read()]";
    let ran = place
        .run(&["exec", "--workspace", "deep/ws", "-c", read])
        .succeeds();
    assert_eq!(ran.stdout, "[\"kept\",\"given\"]\n");
    assert_eq!(ran.stderr, "");
    let ran = place.run(&[
        "exec",
        "--workspace",
        "deep/ws",
        "-l",
        "js",
        "-c",
        "import { readFileSync } from 'fs'; readFileSync('/workspace/kept.txt', 'utf8')",
    ]);
    assert_eq!(ran.succeeds().stdout, "kept\n");
}

#[test]
fn temporary_files_stay_in_memory() {
    let place = Place::new();
    let source = "import tempfile\nf = tempfile.NamedTemporaryFile(delete=False)\nf.write(b'x')\nf.close()\nf.name";
    let ran = place
        .run(&["exec", "--workspace", "ws", "-c", source])
        .succeeds();
    assert!(ran.stdout.starts_with("/tmp/"), "{}", ran.stdout);
    assert_eq!(fs::read_dir(place.path().join("ws")).unwrap().count(), 0);
}

#[test]
fn what_is_planted_in_a_workspace_is_refused_by_name() {
    let place = Place::new();
    let plant = |name: &str| {
        fs::create_dir_all(place.path().join(name).join("sub")).unwrap();
        place.path().join(name).join("sub/planted")
    };
    symlink("/etc/passwd", plant("link")).unwrap();
    symlink("/etc", plant("folder")).unwrap();
    symlink("nowhere", plant("dangling")).unwrap();
    fifo(plant("pipe"));
    let _socket = UnixListener::bind(plant("socket")).unwrap();
    let original = place.write("secret.txt", "secret");
    fs::hard_link(&original, plant("hard")).unwrap();
    for (name, what) in [
        ("link", "a symbolic link"),
        ("folder", "a symbolic link"),
        ("dangling", "a symbolic link"),
        ("pipe", "a named pipe"),
        ("socket", "a socket"),
        ("hard", "a file with several names (hard links)"),
    ] {
        let text = refused(&place, &["exec", "--workspace", name, "-c", "1"]);
        says(
            &text,
            &format!(
                "cannot use the workspace `{name}/sub/planted`: it is {what}, which a workspace must not contain"
            ),
        );
        // Without it, the same directory will do.
        fs::remove_file(place.path().join(name).join("sub/planted")).unwrap();
        place
            .run(&["exec", "--workspace", name, "-c", "1"])
            .succeeds();
    }
    assert_eq!(place.read("secret.txt"), "secret");
}

#[test]
fn a_device_is_refused() {
    let place = Place::new();
    fs::create_dir(place.path().join("ws")).unwrap();
    let device = rustix::fs::makedev(1, 5);
    let made = mknodat(
        CWD,
        place.path().join("ws/zero"),
        FileType::CharacterDevice,
        Mode::from_raw_mode(0o666),
        device,
    );
    // Only root may make one; for others the case cannot occur this way.
    if made.is_err() {
        return;
    }
    let text = refused(&place, &["exec", "--workspace", "ws", "-c", "1"]);
    says(&text, "`ws/zero`: it is a device");
}

#[test]
fn two_sessions_on_one_directory_are_refused() {
    let place = Place::new();
    let mut first = place
        .command(&[
            "exec",
            "--workspace",
            "ws",
            "-c",
            "print('in', flush=True)\nimport time\ntime.sleep(20)",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = [0; 3];
    std::io::Read::read_exact(first.stdout.as_mut().unwrap(), &mut line).unwrap();
    let text = refused(&place, &["exec", "--workspace", "ws", "-c", "1"]);
    says(
        &text,
        "cannot use the workspace `ws`: another session uses it",
    );
    place
        .run(&["exec", "--workspace", "other", "-c", "1"])
        .succeeds();
    first.kill().unwrap();
    first.wait().unwrap();
    place
        .run(&["exec", "--workspace", "ws", "-c", "1"])
        .succeeds();
}

#[test]
fn a_workspace_never_holds_the_configuration() {
    let place = Place::new();
    let text = refused(&place, &["exec", "--workspace", ".", "-c", "1"]);
    says(&text, "programs could change it");
    let inside = place.write("project/mcp.json", "{}");
    let inside = inside.to_str().unwrap();
    let text = refused(
        &place,
        &[
            "exec",
            "--config",
            inside,
            "--workspace",
            "project",
            "-c",
            "1",
        ],
    );
    says(&text, "mcp.json`, where the configuration is read");
    place
        .run(&[
            "exec",
            "--config",
            inside,
            "--workspace",
            "project/ws",
            "-c",
            "1",
        ])
        .succeeds();
}

#[test]
fn a_file_in_place_of_the_directory_is_an_error() {
    let place = Place::new();
    place.write("file", "x");
    let text = refused(&place, &["exec", "--workspace", "file", "-c", "1"]);
    says(&text, "cannot use the workspace `file`: not a directory");
    let text = refused(&place, &["exec", "--workspace", "file/ws", "-c", "1"]);
    says(&text, "cannot use the workspace `file/ws`: not a directory");
}

#[test]
fn quotas_are_set_by_flags_and_in_the_configuration() {
    let write = |count: u32, bytes: u32| {
        format!(
            "for i in range({count}):\n    open(f'/workspace/{{i}}', 'wb', buffering=0).write(b'x' * {bytes})"
        )
    };
    let place = Place::new();
    let run = |flags: &[&str], source: &str| place.exec("a.py", source, flags);
    for (flag, source, limit, key) in [
        (
            ["--file-size", "1000"],
            "f = open('/workspace/a', 'wb', buffering=0)\nwhile True: f.write(b'x' * 100)",
            "a file of the workspace may have at most 1000 bytes",
            "fileSize",
        ),
        (
            ["--workspace-size", "1000"],
            &write(11, 100),
            "the workspace may hold at most 1000 bytes",
            "workspaceSize",
        ),
        (
            ["--max-files", "10"],
            &write(11, 0),
            "the workspace may hold at most 10 files and directories",
            "maxFiles",
        ),
    ] {
        let report = run(&flag, source);
        assert_eq!(report["error"]["kind"], "OSError", "{report:#}");
        let hint = format!(
            "{limit}; raise it with `{}`, or `limits.{key}` in the configuration",
            flag[0]
        );
        assert_eq!(report["error"]["hint"], hint, "{report:#}");
        let value: u64 = flag[1].parse().unwrap();
        let config = json!({ "coordinator": { "limits": { key: value } } });
        let configured = Place::with_config(config);
        let report = configured.exec("a.py", source, &[]);
        assert_eq!(report["error"]["hint"], hint, "{report:#}");
        // The flag wins.
        let allowed = source.replace("while True", "for _ in range(20)");
        let report = configured.exec("a.py", &allowed, &[flag[0], "5000"]);
        assert_eq!(report["status"], "ok", "{report:#}");
    }
    assert_eq!(
        run(&["--max-files", "10"], &write(10, 0))["status"],
        "ok",
        "exactly as many as allowed"
    );
    assert_eq!(
        run(&["--workspace-size", "1000"], &write(10, 100))["status"],
        "ok"
    );
}

#[test]
fn a_directory_that_holds_too_much_is_refused_with_the_flag_that_helps() {
    let place = Place::new();
    place.write("ws/big", vec![0; 2000]);
    let arguments = [
        "exec",
        "--workspace",
        "ws",
        "--file-size",
        "1000",
        "-c",
        "1",
    ];
    let text = refused(&place, &arguments);
    says(
        &text,
        "cannot use the workspace `ws/big`: a file of the workspace may have at most 1000 bytes",
    );
    says(&text, "hint: raise it with `--file-size`");
    place
        .run(&[
            "exec",
            "--workspace",
            "ws",
            "--file-size",
            "2000",
            "-c",
            "1",
        ])
        .succeeds();
}

fn listing(place: &Place, flags: &[&str]) -> Value {
    let source = "import os\nsorted(os.path.join(d, f)[11:] for d, _, fs in os.walk('/workspace') for f in fs)";
    ok(place.exec("list.py", source, flags))
}

#[test]
fn inputs_are_placed_before_the_run() {
    let place = Place::new();
    place.write("data/a.csv", "1,2\n");
    place.write("data/sub/b.csv", "3,4\n");
    fs::create_dir(place.path().join("data/empty")).unwrap();
    place.write("x=y", "odd");
    assert_eq!(
        listing(&place, &["--input", "data/a.csv"]),
        json!(["a.csv"])
    );
    assert_eq!(
        listing(
            &place,
            &["--input", "data/a.csv=in/1.csv", "--input", "x=y"]
        ),
        json!(["in/1.csv", "x=y"])
    );
    assert_eq!(
        listing(&place, &["--input", "data/a.csv=/workspace/in/"]),
        json!(["in/a.csv"])
    );
    assert_eq!(
        listing(&place, &["--input", "data"]),
        json!(["data/a.csv", "data/sub/b.csv"])
    );
    assert_eq!(
        listing(&place, &["--input", "data=."]),
        json!(["a.csv", "sub/b.csv"])
    );
    let report = place.exec(
        "a.py",
        "import os\n[open('/workspace/data/sub/b.csv').read(), os.path.isdir('/workspace/data/empty')]",
        &["--input", "data"],
    );
    assert_eq!(ok(report), json!(["3,4\n", true]));
    let report = place.exec(
        "a.js",
        "import { readFileSync } from 'fs'; readFileSync('/workspace/a.csv', 'utf8')",
        &["--input", "data/a.csv"],
    );
    assert_eq!(ok(report), "1,2\n");
}

#[test]
fn inputs_of_a_kept_workspace_replace_what_was_placed_before() {
    let place = Place::new();
    for text in ["one", "two"] {
        place.write("a.txt", text);
        place
            .run(&["exec", "--workspace", "ws", "--input", "a.txt", "-c", "1"])
            .succeeds();
        assert_eq!(place.read("ws/a.txt"), text);
    }
}

#[test]
fn inputs_that_cannot_be_placed_say_why() {
    let place = Place::new();
    place.write("a.csv", vec![b'x'; 2000]);
    place.write("data/b", "b");
    symlink("/etc/passwd", place.path().join("data/link")).unwrap();
    let check = |arguments: &[&str], expected: &str| {
        let mut all = vec!["exec"];
        all.extend_from_slice(arguments);
        all.extend_from_slice(&["-c", "1"]);
        says(&refused(&place, &all), expected);
    };
    check(
        &["--input", "missing"],
        "the input `missing` cannot be read: no such file or directory",
    );
    check(
        &["--input", "a.csv=../x"],
        "cannot be placed at `../x`: operation not permitted",
    );
    check(
        &["--input", "a.csv=/etc/x"],
        "cannot be placed at `/etc/x`: operation not permitted",
    );
    check(
        &["--input", "a.csv", "--file-size", "1000"],
        "cannot be placed at `a.csv`: a file of the workspace may have at most 1000 bytes",
    );
    check(
        &["--input", "/dev/zero", "--file-size", "1000"],
        "a file of the workspace may have at most 1000 bytes",
    );
    check(
        &["--input", "data"],
        "the input `data/link` is a symbolic link",
    );
    check(&["--input", ".."], "the input `..` needs a name");
    // A link that the operator names is meant.
    place
        .run(&["exec", "--input", "data/link=passwd", "-c", "1"])
        .succeeds();
}

#[track_caller]
fn outputs(place: &Place, source: &str, flags: &[&str]) -> Value {
    let report = place.exec("make.py", source, flags);
    assert_eq!(report["status"], "ok", "{report:#}");
    report["outputs"].clone()
}

const MAKE: &str = "import os
os.makedirs('/workspace/plots/deep')
for name in ['report.csv', 'notes.txt', 'plots/a.png', 'plots/deep/b.png', '.hidden']:
    open('/workspace/' + name, 'w').write(name)
";

#[test]
fn outputs_are_copied_out_with_their_paths() {
    let place = Place::new();
    let copied = outputs(
        &place,
        MAKE,
        &[
            "--output",
            "*.csv",
            "--output",
            "plots/**",
            "--output-dir",
            "out",
        ],
    );
    assert_eq!(
        copied,
        json!([
            { "path": "plots/a.png", "file": "out/plots/a.png", "bytes": 11 },
            { "path": "plots/deep/b.png", "file": "out/plots/deep/b.png", "bytes": 16 },
            { "path": "report.csv", "file": "out/report.csv", "bytes": 10 },
        ])
    );
    assert_eq!(place.read("out/report.csv"), "report.csv");
    assert_eq!(place.read("out/plots/deep/b.png"), "plots/deep/b.png");
    assert!(!place.path().join("out/notes.txt").exists());
    let mode = fs::metadata(place.path().join("out/report.csv")).unwrap();
    assert_eq!(
        mode.mode() & 0o111,
        0,
        "nothing that comes out is a program"
    );

    // Here, without a directory; nothing but the program's output is printed.
    let ran = place
        .run(&["exec", "--output", "report.csv", "make.py"])
        .succeeds();
    assert_eq!((&*ran.stdout, &*ran.stderr), ("", ""));
    assert_eq!(place.read("report.csv"), "report.csv");
}

#[test]
fn outputs_of_a_failed_run_are_copied_too() {
    let place = Place::new();
    for (end, status) in [
        ("raise ValueError('no')", "error"),
        ("while True: pass", "limit"),
    ] {
        let report = place.exec(
            "make.py",
            &format!("{MAKE}\n{end}"),
            &[
                "--output",
                "report.csv",
                "--output-dir",
                status,
                "--timeout",
                "2s",
            ],
        );
        assert_eq!(report["status"], status, "{report:#}");
        assert_eq!(report["outputs"][0]["path"], "report.csv", "{report:#}");
        assert_eq!(place.read(&format!("{status}/report.csv")), "report.csv");
    }
}

#[test]
fn the_answer_lists_outputs_only_if_they_were_asked_for() {
    let place = Place::new();
    assert_eq!(place.python("1").get("outputs"), None);
    let report = place.exec("a.py", "1", &["--output", "nothing.csv"]);
    assert_eq!(report["outputs"], json!([]));
    assert_eq!(
        report["warnings"],
        json!(["no file in the workspace matches `nothing.csv`"])
    );
    assert_eq!(report["status"], "ok", "{report:#}");
    let ran = place
        .run(&["exec", "--output", "nothing.csv", "-c", "1"])
        .succeeds();
    says(&ran.stderr, "warning: no file in the workspace matches");
}

#[test]
fn a_file_that_is_there_already_is_not_replaced_silently() {
    let place = Place::new();
    place.write("make.py", MAKE);
    place.write("report.csv", "precious");
    // Named exactly: said before the run.
    let arguments = ["exec", "--output", "report.csv", "make.py"];
    let text = refused(&place, &arguments);
    says(&text, "the output `report.csv` is there already");
    says(&text, "--overwrite");
    // By a pattern: the run is done, and what could be copied is.
    let report = place
        .run(&["exec", "--json", "--output", "*.*", "make.py"])
        .json();
    assert_eq!(report["status"], "denied", "{report:#}");
    assert_eq!(report["error"]["kind"], "output_refused");
    assert_eq!(
        report["error"]["message"],
        "the output `report.csv` was not copied: it is there already"
    );
    contains(&report["error"]["hint"], "--overwrite");
    assert_eq!(report["outputs"][0]["path"], "notes.txt");
    assert_eq!(place.read("report.csv"), "precious");

    place
        .run(&["exec", "--output", "*.*", "--overwrite", "make.py"])
        .succeeds();
    assert_eq!(place.read("report.csv"), "report.csv");
    let left = fs::read_dir(place.path())
        .unwrap()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().contains(".new"));
    assert_eq!(left.count(), 0, "no temporary file is left");
}

#[test]
fn outputs_never_follow_a_link_that_is_there() {
    let place = Place::new();
    place.write("make.py", MAKE);
    place.write("elsewhere/secret", "secret");
    let out = place.path().join("out");
    fs::create_dir(&out).unwrap();
    symlink(place.path().join("elsewhere"), out.join("plots")).unwrap();
    symlink(
        place.path().join("elsewhere/secret"),
        out.join("report.csv"),
    )
    .unwrap();
    symlink(place.path().join("elsewhere/new"), out.join("notes.txt")).unwrap();
    for flags in [&["--overwrite"][..], &[]] {
        for pattern in ["plots/*", "report.*", "notes.*"] {
            let mut arguments = vec!["exec", "--json", "--output", pattern];
            arguments.extend_from_slice(&["--output-dir", "out"]);
            arguments.extend_from_slice(flags);
            arguments.push("make.py");
            let report = place.run(&arguments).json();
            assert_eq!(report["status"], "denied", "{pattern}: {report:#}");
            assert_eq!(report["outputs"], json!([]));
        }
    }
    assert_eq!(place.read("elsewhere/secret"), "secret");
    let found = fs::read_dir(place.path().join("elsewhere")).unwrap();
    assert_eq!(found.count(), 1, "nothing was made behind the links");
    // The chosen directory itself may be a link: the operator chose it.
    symlink("elsewhere", place.path().join("chosen")).unwrap();
    let ran = place.run(&[
        "exec",
        "--output",
        "report.csv",
        "--output-dir",
        "chosen",
        "make.py",
    ]);
    ran.succeeds();
    assert_eq!(place.read("elsewhere/report.csv"), "report.csv");
}

#[test]
fn outputs_never_leave_the_chosen_directory() {
    let place = Place::new();
    for pattern in ["../x", "/etc/passwd", "a/../../x", ""] {
        let text = refused(&place, &["exec", "--output", pattern, "-c", "1"]);
        says(&text, "hint: outputs look like");
    }
    // Names that mean something elsewhere are just names.
    let source = "for name in ['..\\\\up', '..%2fup', '...', '-rf', '$HOME', 'a b']:
    open('/workspace/' + name, 'w').write('x')";
    let flags = [
        "--output",
        "*",
        "--output",
        ".*",
        "--output-dir",
        "out/here",
    ];
    let copied = outputs(&place, source, &flags);
    assert_eq!(copied.as_array().unwrap().len(), 6, "{copied:#}");
    let found = fs::read_dir(place.path().join("out")).unwrap();
    assert_eq!(found.count(), 1);
}

#[test]
fn a_pattern_takes_no_hidden_files_and_no_configuration() {
    let place = Place::new();
    let source = "import os
os.mkdir('/workspace/.git')
for name in ['.env', 'mcp.json', '.git/hook', 'good']:
    open('/workspace/' + name, 'w').write('x')";
    for pattern in ["*", "**", ".", "/workspace", "m*"] {
        let report = place.exec(
            "a.py",
            source,
            &["--output", pattern, "--output-dir", "out", "--overwrite"],
        );
        let copied = report["outputs"].as_array().unwrap();
        assert!(
            copied.iter().all(|copied| copied["path"] == "good"),
            "{report:#}"
        );
    }
    let named = ["--output", ".git/*", "--output", "mcp.json"];
    let copied = outputs(
        &place,
        source,
        &[&named[..], &["--output-dir", "out"]].concat(),
    );
    assert_eq!(copied.as_array().unwrap().len(), 2, "{copied:#}");
}

#[test]
fn a_name_that_would_harm_a_terminal_does_not_come_out() {
    let place = Place::new();
    let source = "open('/workspace/\\x1b[2Jx', 'w').write('x')\nopen('/workspace/good', 'w')";
    let flags = ["--output", "*", "--output-dir", "out"];
    let report = place.exec("a.py", source, &flags);
    assert_eq!(report["status"], "denied", "{report:#}");
    contains(&report["error"]["message"], "control characters");
    assert_eq!(report["outputs"][0]["path"], "good");
    let ran: Ran = place
        .run(&["exec", "--output", "*", "--output-dir", "other", "a.py"])
        .fails_with(3);
    assert!(!ran.stderr.contains('\u{1b}'), "{:?}", ran.stderr);
}

#[test]
fn an_output_directory_that_cannot_be_written_is_said() {
    let place = Place::new();
    place.write("file", "x");
    let ran = place
        .run(&[
            "exec",
            "--output",
            "a",
            "--output-dir",
            "file",
            "-c",
            "open('/workspace/a', 'w')",
        ])
        .fails_with(2);
    says(&ran.stderr, "outputs cannot be copied to `file`");
    let locked = place.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o500)).unwrap();
    // Root may write everywhere.
    if fs::write(locked.join("probe"), "").is_ok() {
        return;
    }
    let report = place.exec(
        "a.py",
        "open('/workspace/a', 'w')",
        &["--output", "a", "--output-dir", "locked"],
    );
    assert_eq!(report["status"], "host_error", "{report:#}");
}
