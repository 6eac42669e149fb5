//! The folders that published programs of this kind find beside each other:
//! `servers`, `skills` and `workspace`, from the directory where a program starts.

use std::fs;

use serde_json::{Value, json};
use wasm_coordinator::files::{Quota, Workspace};
use wasm_coordinator::{Files, Program, Session, SessionOptions, Toolbox};

use crate::harness::{Place, ok, root};
use crate::library::{engine, tokio};

fn python(place: &Place, source: &str, flags: &[&str]) -> Value {
    ok(place.exec("program.py", source, flags))
}

fn javascript(place: &Place, source: &str, flags: &[&str]) -> Value {
    ok(place.exec("program.mjs", source, flags))
}

/// A session in memory, and one on a disk.
fn sessions() -> (tempfile::TempDir, [Session; 2]) {
    let place = tempfile::tempdir().unwrap();
    let disk = Workspace::open(&place.path().join("ws"), Quota::default()).unwrap();
    let session = |files| {
        let options = SessionOptions {
            files,
            ..Default::default()
        };
        Session::new(engine(), Toolbox::default(), options)
    };
    let sessions = [session(Files::default()), session(Files::Workspace(disk))];
    (place, sessions)
}

#[track_caller]
fn result(session: &mut Session, program: Program) -> Value {
    let report = tokio().block_on(session.run(program));
    assert!(report.error.is_none(), "{report:?}");
    report.result.unwrap_or_default()
}

#[test]
fn servers_skills_and_workspace_are_found_from_the_current_directory() {
    let place = Place::new();
    let source = "import os
with open('./workspace/leads.csv', 'w') as file:
    file.write('a,b')
[sorted(os.listdir('servers')) == sorted(os.listdir('/servers')) and 'demo' in os.listdir('servers'),
 open('servers/demo/now.py').read() == open('/servers/demo/now.py').read(), open('leads.csv').read(),
 os.listdir('skills'), os.path.isdir('./workspace'), os.listdir('workspace'), os.listdir('.'), os.getcwd()]";
    assert_eq!(
        python(&place, source, &[]),
        json!([
            true,
            true,
            "a,b",
            [],
            true,
            ["leads.csv"],
            ["leads.csv"],
            "/workspace"
        ])
    );
    let source = "import fs from 'fs';
fs.writeFileSync('./workspace/leads.csv', 'a,b');
[fs.readdirSync('servers').includes('demo'), fs.readFileSync('servers/demo/now.ts', 'utf8') === fs.readFileSync('/servers/demo/now.ts', 'utf8'),
 fs.readFileSync('leads.csv', 'utf8'), fs.readdirSync('skills'), fs.readdirSync('.')]";
    assert_eq!(
        javascript(&place, source, &[]),
        json!([true, true, "a,b", [], ["leads.csv"]])
    );
}

#[test]
fn the_documented_example_runs() {
    let text = fs::read_to_string(root().join("docs/files.md")).unwrap();
    let (_, below) = text.split_once("## From the current directory").unwrap();
    let (_, example) = below.split_once("```python\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let place = Place::new();
    place.write("example.py", example);
    let ran = place.run(&["exec", "example.py"]).succeeds();
    let lines: Vec<_> = ran.stdout.lines().collect();
    assert_eq!(lines[1..], ["id,name", "DONE"]);
}

#[test]
fn folders_that_programs_make_to_be_sure_are_there() {
    let source = "import os
for name in ['servers', 'skills', 'workspace', './workspace/data', '/skills/more']:
    os.makedirs(name, exist_ok=True)
[os.listdir('.'), os.listdir('skills'), os.path.exists('servers/demo/now.py')]";
    let seen = json!([["data", "skills"], ["more"], true]);
    assert_eq!(python(&Place::new(), source, &[]), seen);
    let source = "import fs from 'fs';
for (const name of ['servers', 'skills', 'workspace', './workspace/data', '/skills/more']) fs.mkdirSync(name, { recursive: true });
[fs.readdirSync('.'), fs.readdirSync('skills'), fs.existsSync('servers/demo/now.ts')]";
    assert_eq!(javascript(&Place::new(), source, &[]), seen);
    assert_eq!(
        python(&Place::new(), "import os; os.mkdir('skills')", &[]),
        Value::Null
    );
}

#[test]
fn a_skill_is_written_and_imported() {
    let source = "with open('./skills/shout.py', 'w') as file:
    file.write('def shout(text): return text.upper()')
from skills.shout import shout
shout('done')";
    assert_eq!(python(&Place::new(), source, &[]), "DONE");
    let (_place, sessions) = sessions();
    for mut session in sessions {
        let write = "open('skills/shout.py', 'w').write('def shout(text): return text.upper()')";
        result(&mut session, Program::python(write));
        let import = "from skills.shout import shout\nshout('again')";
        assert_eq!(result(&mut session, Program::python(import)), "AGAIN");
        // One folder, whatever it is called.
        let read = "import fs from 'fs'; [fs.readdirSync('/skills'), fs.readdirSync('/workspace/skills'), fs.readdirSync('skills')]";
        let one = json!(["shout.py"]);
        assert_eq!(
            result(&mut session, Program::javascript(read)),
            json!([one, one, one])
        );
        assert!(session.workspace().read_file("skills/shout.py").is_ok());
        assert_eq!(
            session.workspace().usage(),
            session.workspace().recount(),
            "skills count towards the quota"
        );
    }
}

#[test]
fn skills_are_kept_with_a_workspace_on_disk() {
    let place = Place::new();
    let flags = ["--workspace", "ws"];
    python(&place, "open('/skills/a.py', 'w').write('A = 1')", &flags);
    assert_eq!(place.read("ws/skills/a.py"), "A = 1");
    let import = "from skills.a import A\nA";
    assert_eq!(python(&place, import, &flags), 1);
    // A program that writes no skill makes no folder.
    python(
        &place,
        "import os; os.listdir('skills')",
        &["--workspace", "other"],
    );
    assert_eq!(fs::read_dir(place.path().join("other")).unwrap().count(), 0);
}

#[test]
fn an_entry_of_the_workspace_comes_first() {
    let place = Place::new();
    place.write("ws/servers/mine.txt", "mine");
    place.write("ws/workspace", "a file");
    place.write("ws/skills", "no folder");
    let source = "import os
def refused(work):
    try:
        return work()
    except OSError as error:
        return type(error).__name__
[os.listdir('servers'), open('workspace').read(), 'demo' in os.listdir('/servers'), os.listdir('/skills'),
 refused(lambda: open('/skills/a.py', 'w')), refused(lambda: open('skills/a.py', 'w'))]";
    assert_eq!(
        python(&place, source, &["--workspace", "ws"]),
        json!([
            ["mine.txt"],
            "a file",
            true,
            [],
            "NotADirectoryError",
            "NotADirectoryError"
        ])
    );
}

#[test]
fn these_names_open_no_way_out_and_nothing_of_a_server_is_changed() {
    let place = Place::new();
    let source = "import os, errno
def refused(work):
    try:
        return f'NOT REFUSED: {work()!r}'
    except OSError as e:
        return errno.errorcode[e.errno]
open('mine', 'w').write('mine')
[refused(lambda: open('servers/demo/now.py', 'w')), refused(lambda: open('servers/x', 'w')), refused(lambda: os.remove('servers/demo/now.py')),
 refused(lambda: os.rmdir('servers')), refused(lambda: os.rmdir('workspace')), refused(lambda: os.rmdir('/skills')),
 refused(lambda: os.rename('servers', 'x')), refused(lambda: os.rename('mine', 'servers')), refused(lambda: os.rename('mine', 'servers/mine')),
 refused(lambda: os.rename('workspace', 'x')), refused(lambda: os.rename('mine', 'workspace')), refused(lambda: os.mkdir('servers')),
 refused(lambda: open('workspace', 'w')), refused(lambda: open('workspace/servers/x', 'w')), refused(lambda: open('servers/../../../etc/passwd')),
 refused(lambda: open('workspace/../../etc/passwd')), refused(lambda: os.link('servers/README.md', 'l')), refused(lambda: os.symlink('servers', 'l'))]";
    let answers = python(&place, source, &[]);
    let known = [
        "EROFS", "EBUSY", "EISDIR", "EXDEV", "EEXIST", "ENOENT", "EPERM", "ENOTSUP",
    ];
    for answer in answers.as_array().unwrap() {
        assert!(known.iter().any(|code| answer == code), "{answers}");
    }
    let source = "import os
[open('servers/../leads', 'w').write('x'), os.path.samefile('servers/../leads', 'workspace/leads'), os.listdir('.')]";
    assert_eq!(python(&place, source, &[]), json!([1, true, ["leads"]]));
}

#[test]
fn names_that_lead_round_are_one_folder_and_end() {
    let (_place, sessions) = sessions();
    for mut session in sessions {
        let source = "import os
round = '/'.join(['workspace'] * 300)
open(f'{round}/a', 'w').write('a')
os.mkdir(f'{round}/d')
os.rename('workspace/a', 'workspace/workspace/d/a')
os.rename(f'{round}/skills/../d/a', 'skills/b') if os.path.exists('skills/../d') else None
try:
    open('/'.join(['workspace'] * 1000))
except OSError as error:
    too_long = error.strerror
walked = sorted(os.path.join(folder, name) for folder, _, names in os.walk('.') for name in names)
[walked, os.listdir(round), too_long, os.path.samefile('.', round)]";
        assert_eq!(
            result(&mut session, Program::python(source)),
            json!([["./skills/b"], ["d", "skills"], "Filename too long", true])
        );
        let workspace = session.workspace();
        assert_eq!(workspace.usage(), workspace.recount());
        let names = workspace.walk().unwrap().into_iter();
        let names: Vec<_> = names.map(|(name, _)| name).collect();
        assert_eq!(names, ["d", "skills", "skills/b"]);
    }
}

#[test]
fn quotas_hold_under_every_name() {
    let place = Place::new();
    let source = "import os
names = ['a', 'workspace/a', 'skills/a', '/skills/b', '/workspace/skills/c']
seen = []
for name in names:
    try:
        with open(name, 'wb', buffering=0) as file:
            file.write(b'x' * 500)
        seen.append('ok')
    except OSError as error:
        seen.append(error.strerror)
seen";
    let full = "No space left on device";
    assert_eq!(
        python(&place, source, &["--workspace-size", "1000"]),
        json!(["ok", "ok", "ok", full, full])
    );
    // The folder of the skills is one of the files and directories.
    let source = "import os
open('a', 'w')
try:
    open('/skills/b', 'w')
except OSError as error:
    print(error.strerror)
os.listdir('/skills')";
    assert_eq!(python(&place, source, &["--max-files", "1"]), json!([]));
}

#[test]
fn a_folder_is_emptied_while_it_is_listed() {
    let (_place, sessions) = sessions();
    for mut session in sessions {
        let source = "import os
for number in range(500):
    open(f'f{number:03}', 'w').close()
seen = 0
for entry in os.scandir('.'):
    seen += 1
    if seen == 1:
        for name in os.listdir('.'):
            if name != entry.name:
                os.remove(name)
[seen < 500, len(os.listdir('.'))]";
        assert_eq!(
            result(&mut session, Program::python(source)),
            json!([true, 1])
        );
    }
}
