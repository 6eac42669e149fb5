//! Hostile uses of files, one test for each threat, from Python and JavaScript
//! where both can express it. What components can do is in `files`, what is
//! planted on the disk beforehand in `workspace`.
//!
//! Each program ends with what is allowed: the twin of what was refused.

use std::fs;
use std::sync::OnceLock;

use serde_json::{Value, json};
use wasm_coordinator::files::{Quota, Usage, Workspace};
use wasm_coordinator::{
    Engine, EngineOptions, Files, Isolation, Program, Session, SessionOptions, Status, Toolbox,
};

use crate::harness::{Place, contains, fixture, guest_cache, ok};
use crate::library::engine;

/// `refused(work)` is the name of the error, or what came instead.
const PYTHON: &str = "import os, errno
def refused(work):
    try:
        return f'NOT REFUSED: {work()!r}'
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))
    except Exception as e:
        return type(e).__name__
";

const JAVASCRIPT: &str = "import fs from 'fs';
const refused = (work) => {
    try { return `NOT REFUSED: ${work()}` } catch (e) { return e.code ?? e.name }
};
";

fn python(place: &Place, source: &str, flags: &[&str]) -> Value {
    ok(place.exec("hostile.py", &format!("{PYTHON}{source}"), flags))
}

fn javascript(place: &Place, source: &str, flags: &[&str]) -> Value {
    ok(place.exec("hostile.mjs", &format!("{JAVASCRIPT}{source}"), flags))
}

/// Every answer is one of these names.
#[track_caller]
fn all_are(answers: &Value, names: &[&str]) {
    for answer in answers.as_array().expect("a list of answers") {
        assert!(
            names.iter().any(|name| answer == name),
            "{answer} is none of {names:?}"
        );
    }
}

#[test]
fn paths_that_lead_out_find_nothing() {
    let place = Place::new();
    let canary = place.write("canary.txt", "CANARY-7f3a");
    let paths = json!([
        "../../etc/passwd",
        "/etc/passwd",
        "/etc/passwd/.",
        "//etc//passwd",
        "/workspace/../../etc/passwd",
        "/workspace/../etc/passwd",
        "../".repeat(10_000) + "etc/passwd",
        "/workspace/".to_owned() + &"../".repeat(1000) + "etc/passwd",
        "..%2f..%2fetc/passwd",
        "..\\..\\etc\\passwd",
        "/proc/self/environ",
        "/proc/self/fd/0",
        "/dev/stdin",
        "/dev/null",
        "",
        "\0",
        "/workspace/\0/../../etc/passwd",
        canary,
        "canary.txt",
        format!("/workspace/..{}", canary.display()),
    ]);
    for flags in [&[][..], &["--workspace", "ws"]] {
        let answers = python(
            &place,
            &format!(
                "import json\npaths = json.loads({:?})\n[refused(lambda: open(path).read()) for path in paths]",
                paths.to_string()
            ),
            flags,
        );
        let names = [
            "ENOENT",
            "ENOTDIR",
            "ENAMETOOLONG",
            "EPERM",
            "ENOTCAPABLE",
            "EISDIR",
            "ValueError",
        ];
        all_are(&answers, &names);
        let answers = javascript(
            &place,
            &format!(
                "const paths = {paths};\npaths.map((path) => refused(() => fs.readFileSync(path, 'utf8')))"
            ),
            flags,
        );
        let names = [
            "ENOENT",
            "ENOTDIR",
            "EPERM",
            "EISDIR",
            "ENAMETOOLONG",
            "ERR_INVALID_ARG_VALUE",
        ];
        all_are(&answers, &names);
    }
    let write = format!(
        "[refused(lambda: open(path, 'w')) for path in [{canary:?}, '../x', '/x', '/etc/x']]"
    );
    all_are(
        &python(&place, &write, &[]),
        &["ENOENT", "EROFS", "EPERM", "ENOTCAPABLE"],
    );
    assert_eq!(place.read("canary.txt"), "CANARY-7f3a");
    assert_eq!(
        python(
            &place,
            "open('/workspace/../workspace/x', 'w').write('x')",
            &[]
        ),
        1
    );
}

#[test]
fn links_of_every_form_cannot_be_made() {
    let place = Place::new();
    let source = "open('/workspace/a', 'w').write('a')
os.chdir('/workspace')
[refused(lambda: os.symlink(target, 'l')) for target in ['/etc/passwd', 'a', '/skills', '../skills', 'nowhere', 'l', '.']] + [
    refused(lambda: os.link('a', 'l')), refused(lambda: os.link('a', '/tmp/l')), os.path.lexists('l')]";
    let answers = python(&place, source, &[]);
    let (last, links) = answers.as_array().unwrap().split_last().unwrap();
    assert_eq!(last, false, "nothing was made");
    all_are(&json!(links), &["ENOTSUP", "EPERM"]);
    let source = "[typeof fs.symlinkSync, typeof fs.linkSync, typeof fs.promises.symlink]";
    assert_eq!(
        javascript(&place, source, &[]),
        json!(["undefined", "undefined", "undefined"])
    );
    let copy = "import shutil\nopen('/workspace/a', 'w').write('a')\nshutil.copy('/workspace/a', '/tmp/l')";
    assert_eq!(python(&place, copy, &[]), "/tmp/l");
}

#[test]
fn a_slash_at_the_end_never_reaches_what_replaced_a_folder() {
    let source = "os.chdir('/workspace')
os.mkdir('d')
open('d/f', 'w').write('f')
os.rename('d', 'e')
open('d', 'w').write('file')
[refused(lambda: os.listdir('d/')), refused(lambda: open('d/f')), refused(lambda: open('d/')),
 refused(lambda: os.rename('d/', 'x')), refused(lambda: os.rename('e', 'd/')), refused(lambda: os.remove('d/')),
 refused(lambda: os.stat('d//')), refused(lambda: os.mkdir('d/'))]";
    let answers = python(&Place::new(), source, &[]);
    all_are(&answers, &["ENOTDIR", "EEXIST"]);
    let source = "fs.mkdirSync('/workspace/d'); fs.renameSync('/workspace/d', '/workspace/e'); fs.writeFileSync('/workspace/d', 'x');
[refused(() => fs.readdirSync('/workspace/d')), refused(() => fs.readFileSync('/workspace/d/f')), fs.readdirSync('/workspace/e/').length]";
    assert_eq!(
        javascript(&Place::new(), source, &[]),
        json!(["ENOTDIR", "ENOTDIR", 0])
    );
}

#[test]
fn what_is_read_only_stays_as_it_is() {
    let place = Place::new();
    let source = "import os
open('/workspace/mine', 'w').write('mine')
there = os.listdir('/')
[refused(lambda: open('/servers/x', mode)) for mode in ['w', 'a', 'x', 'w+', 'a+']] + [
    refused(lambda: os.mkdir('/servers/d')), refused(lambda: os.rmdir('/servers')), refused(lambda: os.utime('/servers')),
    refused(lambda: os.rename('/workspace/mine', '/servers/mine')), refused(lambda: os.rename('/servers', '/workspace/s')),
    refused(lambda: open('/x', 'w')), refused(lambda: os.mkdir('/d')), refused(lambda: os.rmdir('/workspace')),
    refused(lambda: os.rename('/workspace', '/w')), refused(lambda: os.rename('/tmp', '/workspace'))]";
    let answers = python(&place, source, &[]);
    all_are(&answers, &["EROFS", "EXDEV", "EBUSY"]);
    let source = "[refused(() => fs.writeFileSync('/servers/x', 'x')), refused(() => fs.mkdirSync('/servers/d')),
 refused(() => fs.writeFileSync('/x', 'x')), refused(() => fs.rmdirSync('/workspace'))]";
    let answers = javascript(&place, source, &[]);
    all_are(&answers, &["EROFS", "EBUSY"]);

    // The files about the tools, which somebody else would read and import.
    let place = Place::with_fixture(&[]);
    let source = "def tree():
    return {os.path.join(d, f): open(os.path.join(d, f), 'rb').read() for d, _, fs in os.walk('/servers') for f in fs}
before = tree()
stub = next(path for path in sorted(before) if path.startswith('/servers/fixture/'))
folder = os.path.dirname(stub)
open('/workspace/mine', 'w').write('mine')
O = os.O_RDONLY
seen = [refused(lambda: open(stub, mode)) for mode in ['w', 'a', 'r+', 'w+', 'a+', 'r+b']] + [
    refused(lambda: os.open(stub, O | os.O_TRUNC)), refused(lambda: os.open(stub, O | os.O_CREAT)),
    refused(lambda: os.truncate(stub, 0)), refused(lambda: os.utime(stub)), refused(lambda: os.remove(stub)),
    refused(lambda: os.rename(stub, folder + '/x.py')), refused(lambda: os.rename(stub, '/workspace/x.py')),
    refused(lambda: os.rename('/workspace/mine', stub)), refused(lambda: os.rename('/workspace/mine', folder + '/new.py')),
    refused(lambda: open(folder + '/new.py', 'x')), refused(lambda: os.mkdir(folder + '/d')), refused(lambda: os.rmdir(folder)),
    refused(lambda: os.rmdir('/servers')), refused(lambda: os.rename('/servers', '/workspace/s')), refused(lambda: os.link(stub, '/workspace/l'))]
[seen, len(before) > 1, tree() == before, open(stub).read() != '']";
    let seen = python(&place, source, &[]);
    all_are(
        &seen[0],
        &["EROFS", "EXDEV", "EBUSY", "ENOTSUP", "EBADF", "EINVAL"],
    );
    assert_eq!(seen.as_array().unwrap()[1..], [true, true, true]);
    let source = "const folder = '/servers/fixture'; const stub = folder + '/' + fs.readdirSync(folder)[0];
const before = fs.readFileSync(stub, 'utf8');
[[refused(() => fs.writeFileSync(stub, 'x')), refused(() => fs.appendFileSync(stub, 'x')), refused(() => fs.unlinkSync(stub)),
  refused(() => fs.renameSync(stub, '/workspace/x')), refused(() => fs.rmSync('/servers', { recursive: true })), refused(() => fs.mkdirSync('/servers/x'))],
 fs.readFileSync(stub, 'utf8') === before && before !== '']";
    let seen = javascript(&place, source, &[]);
    all_are(&seen[0], &["EROFS", "EXDEV", "EBUSY"]);
    assert_eq!(seen[1], true);
    let mine = "os.mkdir('/workspace/d')\nos.utime('/workspace/d')\nos.rename('/workspace/d', '/tmp/d')\nos.rmdir('/tmp/d')\nos.listdir('/workspace')";
    assert_eq!(python(&place, mine, &[]), json!([]));
}

fn sharing(workspace: &Workspace) -> Session {
    let options = SessionOptions {
        files: Files::Workspace(workspace.clone()),
        ..Default::default()
    };
    Session::new(engine(), Toolbox::default(), options)
}

/// Sessions of one process see each other's files at once; those in processes of
/// their own when a program ends.
fn sharing_in_process(workspace: &Workspace) -> Session {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    let engine = ENGINE.get_or_init(|| {
        let options = EngineOptions {
            cache: Some(guest_cache()),
            isolation: Isolation::InProcess,
            ..Default::default()
        };
        Engine::new(options).unwrap()
    });
    let options = SessionOptions {
        files: Files::Workspace(workspace.clone()),
        ..Default::default()
    };
    Session::new(engine, Toolbox::default(), options)
}

/// Runs programs at once in one workspace, each in a session of its own.
fn at_once(workspace: &Workspace, programs: Vec<Program>) -> Vec<wasm_coordinator::Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = programs
            .into_iter()
            .map(|program| {
                let mut session = sharing_in_process(workspace);
                tokio::spawn(async move { session.run(program).await })
            })
            .collect();
        let mut reports = Vec::new();
        for task in tasks {
            reports.push(task.await.expect("no run panics"));
        }
        reports
    })
}

/// In memory and on a disk.
fn workspaces(quota: Quota) -> (tempfile::TempDir, [Workspace; 2]) {
    let place = tempfile::tempdir().unwrap();
    let disk = Workspace::open(&place.path().join("ws"), quota).unwrap();
    (place, [Workspace::new(quota), disk])
}

#[test]
fn a_race_for_names_leaves_the_tree_whole() {
    let (_place, workspaces) = workspaces(Quota::default());
    for workspace in workspaces {
        let python = "import os, random, time
os.chdir('/workspace')
end = time.monotonic() + 1.5
count = 0
while time.monotonic() < end:
    one, two = random.choice('abc'), random.choice(['a', 'b/x', 'c'])
    try:
        [lambda: os.mkdir(one), lambda: os.rmdir(one), lambda: os.remove(one), lambda: os.rename(one, two),
         lambda: open(one, 'w').write('x' * 100), lambda: open(two, 'a').write('y'), lambda: os.listdir(one),
         lambda: os.stat(two)][random.randrange(8)]()
        count += 1
    except OSError:
        pass
count > 0";
        let javascript = "import fs from 'fs';
const end = Date.now() + 1500; let count = 0;
const pick = (of) => of[Math.floor(Math.random() * of.length)];
while (Date.now() < end) {
    const one = '/workspace/' + pick(['a', 'b', 'c']), two = '/workspace/' + pick(['a', 'b/x', 'c']);
    try {
        pick([() => fs.mkdirSync(one), () => fs.rmdirSync(one), () => fs.unlinkSync(one), () => fs.renameSync(one, two),
              () => fs.writeFileSync(one, 'x'.repeat(100)), () => fs.appendFileSync(two, 'y'), () => fs.readdirSync(one)])();
        count++;
    } catch { }
}
count > 0";
        let programs = [
            Program::python(python),
            Program::javascript(javascript),
            Program::python(python),
        ];
        for report in at_once(&workspace, programs.into()) {
            assert_eq!(report.result, Some(true.into()), "{report:?}");
        }
        assert_eq!(workspace.usage(), workspace.recount());
        let found = workspace.walk().unwrap();
        assert_eq!(found.len() as u64, workspace.usage().inodes);
    }
}

#[test]
fn writers_at_once_never_pass_the_quota() {
    let quota = Quota {
        bytes: 300_000,
        file_bytes: 100_000,
        inodes: 20,
    };
    let (_place, workspaces) = workspaces(quota);
    for workspace in workspaces {
        let python = |name: usize| {
            Program::python(format!(
                "import os
fd = os.open('/workspace/log{}', os.O_CREAT | os.O_APPEND | os.O_WRONLY)
try:
    while True: os.write(fd, b'x' * 777)
except OSError: pass
os.close(fd)",
                name % 4
            ))
        };
        for report in at_once(&workspace, (0..8).map(python).collect()) {
            assert_eq!(report.status, Status::Ok, "{report:?}");
        }
        assert_eq!(workspace.usage(), workspace.recount());
        assert_eq!(
            workspace.usage(),
            Usage {
                bytes: 300_000,
                inodes: 4
            },
            "full to the byte"
        );
    }
}

#[test]
fn a_handle_outlives_its_name_and_is_closed_once() {
    for flags in [&[][..], &["--workspace", "ws"]] {
        let source = "os.chdir('/workspace')
seen = []
fd = os.open('a', os.O_CREAT | os.O_RDWR)
os.write(fd, b'first')
os.remove('a')
open('a', 'w').write('another')
seen.append(os.pread(fd, 9, 0).decode())
os.pwrite(fd, b'F', 0)
seen.append(open('a').read())
os.rename('a', 'b')
os.mkdir('d')
dd = os.open('d/f', os.O_CREAT | os.O_WRONLY)
os.remove('d/f'); os.rmdir('d')
seen.append(os.write(dd, b'x'))
seen.append(refused(lambda: open('d/g', 'w')))
os.close(fd); os.close(dd)
seen += [refused(lambda: os.close(fd)), refused(lambda: os.read(fd, 1)), refused(lambda: os.write(dd, b'x')),
         refused(lambda: os.close(99999)), refused(lambda: os.close(-1)), open('b').read()]
seen";
        assert_eq!(
            python(&Place::new(), source, flags),
            json!([
                "first", "another", 1, "ENOENT", "EBADF", "EBADF", "EBADF", "EBADF", "EBADF",
                "another"
            ])
        );
    }
}

#[test]
fn files_and_folders_end_at_their_number_and_depth() {
    let source = "os.chdir('/workspace')
count = 0
try:
    while True:
        os.close(os.open(f'f{count}', os.O_CREAT | os.O_WRONLY)); count += 1
except OSError as e:
    seen = [count, errno.errorcode[e.errno], len(os.listdir('.')), sum(1 for _ in os.scandir('.'))]
for name in os.listdir('.'): os.remove(name)
path, depth = '.', 0
try:
    while True:
        path += '/d'; os.mkdir(path); depth += 1
except OSError as e:
    seen += [depth, errno.errorcode[e.errno]]
import shutil
shutil.rmtree('d')
seen + [open('after', 'w').write('x')]";
    let expected = json!([10_000, "ENOSPC", 10_000, 10_000, 64, "ENAMETOOLONG", 1]);
    assert_eq!(python(&Place::new(), source, &[]), expected);
    let source = "let count = 0, code;
try { for (;;) { fs.writeFileSync(`/workspace/f${count}`, ''); count++ } } catch (e) { code = e.code }
[count, code, fs.readdirSync('/workspace').length]";
    let seen = javascript(&Place::new(), source, &["--max-files", "500"]);
    assert_eq!(seen, json!([500, "ENOSPC", 500]));
}

#[test]
fn sizes_end_exactly_at_their_limit() {
    let source = "os.chdir('/workspace')
M = 1 << 20
def put(name, size):
    with open(name, 'wb') as f:
        f.write(b'x' * size)
    return os.path.getsize(name)
seen = [put('exact', 10 * M), refused(lambda: put('over', 10 * M + 1)), os.path.getsize('over')]
os.remove('over')
seen.append(sum(put(f'f{i}', 10 * M) for i in range(9)))
seen += [refused(lambda: put('one', 1)), os.path.getsize('one') if os.path.exists('one') else 0]
os.truncate('exact', 10 * M - 3)
handles = [os.open('exact', os.O_APPEND | os.O_WRONLY) for _ in range(4)]
seen += [os.write(h, b'x') for h in handles[:3]] + [refused(lambda: os.write(handles[3], b'x'))]
seen + [os.path.getsize('exact')]";
    let seen = python(&Place::new(), source, &[]);
    let m = 1 << 20;
    assert_eq!(
        (&seen[0], &seen[2], &seen[3], &seen[5]),
        (&json!(10 * m), &json!(10 * m), &json!(90 * m), &json!(0)),
        "{seen}"
    );
    assert_eq!(
        (&seen[6], &seen[7], &seen[8], &seen[10]),
        (&json!(1), &json!(1), &json!(1), &json!(10 * m)),
        "{seen}"
    );
    for refused in [&seen[1], &seen[4], &seen[9]] {
        all_are(&json!([refused]), &["EFBIG", "ENOSPC", "EIO"]);
    }
    let source = "fs.writeFileSync('/workspace/exact', 'x'.repeat(1000));
const told = (work) => { try { work() } catch (e) { return [e.code, e.errno, e.syscall] }; return null };
[told(() => fs.writeFileSync('/workspace/over', 'x'.repeat(1001))), told(() => fs.appendFileSync('/workspace/exact', 'x')),
 told(() => fs.copyFileSync('/workspace/exact', '/workspace/copy')), fs.statSync('/workspace/exact').size]";
    for workspace in [&[][..], &["--workspace", "ws"]] {
        let told = |flags: [&str; 2]| {
            let flags = [&flags, workspace].concat();
            javascript(&Place::new(), source, &flags)
        };
        let large = json!(["EFBIG", -27, "write"]);
        assert_eq!(
            told(["--file-size", "1000"]),
            json!([large, large, null, 1000])
        );
        let full = json!(["ENOSPC", -28, "write"]);
        assert_eq!(
            told(["--workspace-size", "1000"]),
            json!([full, full, ["ENOSPC", -28, "copyfile"], 1000])
        );
    }
}

#[test]
fn a_file_that_is_replaced_gives_its_space_back_once() {
    let source = "os.chdir('/workspace')
for i in range(50):
    open('new', 'wb').write(b'x' * 900)
    os.rename('new', 'old')
open('rest', 'wb').write(b'x' * 1100)
[os.path.getsize('old'), refused(lambda: os.close(os.open('more', os.O_CREAT | os.O_WRONLY)) or open('more', 'ab', 0).write(b'x'))]";
    for flags in [
        &["--workspace-size", "2000"][..],
        &["--workspace-size", "2000", "--workspace", "ws"],
    ] {
        let seen = python(&Place::new(), source, flags);
        assert_eq!(seen[0], 900, "{seen}");
        all_are(&json!([seen[1]]), &["ENOSPC", "EIO"]);
    }
}

#[test]
fn handles_end_at_their_number_and_the_hosts_stay_few() {
    let (_place, workspaces) = workspaces(Quota::default());
    for workspace in workspaces {
        let descriptors = || fs::read_dir("/proc/self/fd").unwrap().count();
        let before = descriptors();
        let runtime = crate::library::tokio();
        let mut session = sharing(&workspace);
        let source = "held = []
try:
    while True: held.append(open(f'/workspace/f{len(held)}', 'w'))
except OSError: pass
len(held)";
        let report = runtime.block_on(session.run(Program::python(source)));
        let held = report.result.as_ref().and_then(Value::as_u64);
        assert!(
            held.is_some_and(|held| (500..=1024).contains(&held)),
            "{report:?}"
        );
        // Other tests open files meanwhile.
        assert!(descriptors() < before + 200, "{}", descriptors());
        let source = "for f in held: f.close()\nopen('/workspace/again', 'w').write('x')";
        let report = runtime.block_on(session.run(Program::python(source)));
        assert_eq!(report.result, Some(1.into()), "{report:?}");
    }
}

#[test]
fn files_of_the_workspace_shadow_no_module() {
    let place = Place::new();
    let evil = "raise SystemExit('SHADOWED')\n";
    for name in [
        "json.py",
        "os.py",
        "asyncio.py",
        "sitecustomize.py",
        "usercustomize.py",
        "encodings/__init__.py",
        "encodings/utf_8.py",
        "xml/__init__.py",
        "xml/dom/minidom.py",
        "mcp_tools.py",
        "servers/__init__.py",
        "servers/fixture.py",
    ] {
        place.write(&format!("ws/{name}"), evil);
    }
    place.write("ws/evil.pth", "import os; raise SystemExit('SHADOWED')\n");
    place.write("ws/__pycache__/mine.cpython-314.pyc", b"not code at all");
    place.write("ws/mine.py", "VALUE = 'mine'\n");
    place.write("ws/node_modules/fs/index.js", "throw new Error('SHADOWED')");
    place.write("ws/fs.js", "throw new Error('SHADOWED')");
    place.write(
        "mcp.json",
        json!({ "mcpServers": { "fixture": fixture(&[]) } }).to_string(),
    );
    let source = "import json, asyncio, encodings.utf_8, xml.dom.minidom, servers.fixture, mcp_tools.fixture, mine
[json.loads('1'), xml.dom.minidom.parseString('<a/>').documentElement.tagName, mine.VALUE, 'é'.encode('utf-8').hex()]";
    assert_eq!(
        python(&place, source, &["--workspace", "ws"]),
        json!([1, "a", "mine", "c3a9"]),
    );
    let source = "import { echo } from 'servers/fixture'; [typeof fs.readFileSync, typeof echo]";
    assert_eq!(
        javascript(&place, source, &["--workspace", "ws"]),
        json!(["function", "function"])
    );
}

#[test]
fn a_server_named_like_a_module_shadows_nothing() {
    let names = ["json", "os", "asyncio", "servers", "sys"];
    let servers: serde_json::Map<_, _> = names
        .iter()
        .map(|name| ((*name).to_owned(), fixture(&[])))
        .collect();
    let place = Place::with_servers(Value::Object(servers));
    let source = "import json, os, sys, asyncio
import servers.json, servers.os, servers.asyncio
[json.loads('1'), os.path.basename('/a/b'), asyncio.sleep.__module__, servers.json is not json]";
    assert_eq!(
        python(&place, source, &[]),
        json!([1, "b", "asyncio.tasks", true])
    );
}

#[test]
fn times_outside_of_all_calendars_are_defined() {
    let source = "open('/workspace/t', 'w').close()
[refused(lambda: os.utime('/workspace/t', (t, t))) for t in [-1, -10**10, 10**19, float('1e300')]] + [
 refused(lambda: os.utime('/workspace/t', ns=(-1, -1))), os.utime('/workspace/t', (10**11, 10**11)), os.stat('/workspace/t').st_mtime]";
    for flags in [&[][..], &["--workspace", "ws"]] {
        let seen = python(&Place::new(), source, flags);
        all_are(
            &json!(seen.as_array().unwrap()[..5]),
            &["EINVAL", "OverflowError", "EOVERFLOW"],
        );
        assert_eq!(seen[6], 1e11, "{seen}");
    }
}

#[test]
fn no_path_of_the_host_is_in_an_error() {
    let place = Place::new();
    let source = "def said(work):
    try: work()
    except Exception as e: return str(e)
[said(lambda: open('/workspace/none')), said(lambda: open('/etc/passwd')), said(lambda: os.mkdir('/workspace')), said(lambda: os.rmdir('/workspace'))]";
    for flags in [&[][..], &["--workspace", "ws"]] {
        let said = python(&place, source, flags).to_string();
        assert!(!said.contains(place.path().to_str().unwrap()), "{said}");
        contains(&said.into(), "/workspace/none");
    }
}
