//! Figures that take minutes, as the tables of docs/security-tests.md have them, and
//! the same with smaller numbers in seconds.
//!
//! `cargo test --workspace --test all figures -- --ignored --nocapture --test-threads 1`
//! prints them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};
use serde_json::{Value, json};
use wasm_coordinator::{Program, Session, SessionOptions, Status, Toolbox};

use crate::client::Client;
use crate::harness::{Place, fixture};
use crate::library::{engine, tokio};
use crate::oracle::{Held, settles};

/// How long something may be there after its coordinator was killed.
const GONE: Duration = Duration::from_secs(5);

/// Numbers that differ each time; the seed is shown when a test fails.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = u64::from(now.subsec_nanos()) | 1;
        println!("seed {seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// The median and the most.
fn middle_and_most(mut all: Vec<Duration>) -> (Duration, Duration) {
    all.sort();
    (all[all.len() / 2], all[all.len() - 1])
}

/// How long after its limit each of these runs was over, as its caller sees it.
fn lateness(program: &Program, warm: &str, runs: usize) -> Vec<Duration> {
    let limit = Duration::from_millis(200);
    let late = |_| {
        let mut session = Session::new(engine(), Toolbox::default(), SessionOptions::default());
        tokio().block_on(async {
            let warm = match program.name() {
                "script.py" => Program::python(warm),
                _ => Program::javascript(warm),
            };
            assert_eq!(session.run(warm).await.status, Status::Ok);
            session.limits_mut().timeout = limit;
            let began = Instant::now();
            let report = session.run(program.clone()).await;
            let took = began.elapsed();
            assert_eq!(report.status, Status::Limit, "{report:?}");
            took.saturating_sub(limit)
        })
    };
    (0..runs).map(late).collect()
}

fn loops() -> [(&'static str, Program); 2] {
    [
        ("Python", Program::python("while True: pass")),
        ("JavaScript", Program::javascript("for (;;);")),
    ]
}

#[test]
#[ignore = "a minute: it prints a table"]
fn how_late_a_program_is_stopped() {
    println!("| a loop in | median | maximum of 100 |\n|---|---|---|");
    for (language, program) in loops() {
        let (median, most) = middle_and_most(lateness(&program, "1", 100));
        let [median, most] = [median, most].map(|time| time.as_secs_f64() * 1e3);
        println!("| {language} | {median:.1} ms | {most:.1} ms |");
        // What the coordinator gives a worker to stop by itself.
        assert!(most < 1000.0);
    }
}

/// A command under a process that all it leaves behind becomes the child of.
struct Stage {
    keeper: Child,
    coordinator: u64,
}

/// Runs a command, says its number, and then only sleeps.
const KEEPER: &str = "exec 3<&0; \"$@\" <&3 3<&- >/dev/null 2>&1 & echo $!; exec 3<&-; \
     wait $!; exec sleep 600 >/dev/null";

impl Stage {
    fn set(command: &Command) -> Self {
        let mut keeper = Command::new("sh");
        keeper
            .args(["-c", KEEPER, "sh"])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(command.get_current_dir().expect("it runs in a place"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => keeper.env(name, value),
                None => keeper.env_remove(name),
            };
        }
        // SAFETY: one system call, which needs nothing of this process.
        unsafe {
            keeper.pre_exec(|| Ok(set_child_subreaper(Some(getpid()))?));
        }
        let mut keeper = keeper.spawn().expect("there is a shell");
        let mut line = String::new();
        let mut stdout = BufReader::new(keeper.stdout.take().expect("it is piped"));
        stdout.read_line(&mut line).expect("the shell says it");
        Self {
            coordinator: line.trim().parse().expect("it is a number"),
            keeper,
        }
    }

    fn left(&self) -> Vec<(u64, String)> {
        let keeper = u64::from(self.keeper.id());
        let mut held = Held::by(keeper).processes;
        held.remove(&keeper);
        held.into_iter().collect()
    }

    /// Kills the coordinator. Gives what is left then, and how long it took until
    /// nothing was.
    fn kill(mut self) -> (Vec<(u64, String)>, Duration) {
        let began = Instant::now();
        signal(self.coordinator);
        let mut left = self.left();
        while !left.is_empty() && began.elapsed() < GONE {
            std::thread::sleep(Duration::from_millis(2));
            left = self.left();
        }
        let took = began.elapsed();
        for (process, _) in &left {
            signal(*process);
        }
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        (left, took)
    }
}

fn signal(process: u64) {
    let process = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    // It may have ended by itself.
    let _ = kill_process(process, Signal::KILL);
}

/// A server that forks, also into sessions of their own, and ends only by force.
fn forking() -> Place {
    let faults = ["fork=2", "fork-detached=2", "stubborn"];
    let arguments = faults.map(|fault| ["--fault", fault]).concat();
    Place::with_servers(json!({ "fixture": fixture(&arguments) }))
}

fn exec_under_load(place: &Place, round: usize) -> Stage {
    let sources = [
        ("a.py", "await call_tool('fixture.silent', {})"),
        (
            "a.py",
            "import asyncio\nawait asyncio.gather(*(call_tool('fixture.echo', {'text': 'x'}) for _ in range(50)))\nwhile True: open('x', 'a').write('x' * 9999)",
        ),
        ("a.js", "callTool('fixture.echo', {}); for (;;);"),
    ];
    let (name, source) = sources[round % sources.len()];
    place.write(name, source);
    Stage::set(&place.command(&["exec", "--timeout", "60s", name]))
}

fn serve_under_load(place: &Place) -> Stage {
    let mut stage = Stage::set(&place.command(&["serve", "--config", "mcp.json"]));
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let mut lines = vec![
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    ];
    for id in 1..=12 {
        let arguments = match id % 4 {
            0 => json!({ "code": "while True: pass", "timeout": 60 }),
            1 => json!({ "code": "await call_tool('fixture.silent', {})", "timeout": 60 }),
            2 => json!({ "code": "for (;;);", "language": "javascript", "timeout": 60 }),
            _ => json!({ "code": "print(await call_tool('fixture.echo', {'text': 'x'}))" }),
        };
        let params = json!({ "name": "execute", "arguments": arguments });
        lines.push(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }));
    }
    let mut stdin = stage.keeper.stdin.take().expect("it is piped");
    for line in lines {
        writeln!(stdin, "{line}").expect("it is read");
    }
    // Open as long as the keeper lives.
    stage.keeper.stdin = Some(stdin);
    stage
}

/// Kills coordinators at moments by chance; how long it took each time until
/// nothing was left.
fn killed(kills: usize) -> Vec<Duration> {
    let mut random = Random::new();
    let mut took = Vec::new();
    for round in 0..kills {
        let place = forking();
        let (stage, what) = match round % 2 {
            0 => (exec_under_load(&place, round / 2), "exec"),
            _ => (serve_under_load(&place), "serve"),
        };
        let after = Duration::from_millis(random.below(1500));
        std::thread::sleep(after);
        let (left, time) = stage.kill();
        assert!(
            left.is_empty(),
            "{what} killed after {after:?} left {left:?}"
        );
        took.push(time);
    }
    took
}

#[test]
fn nothing_is_left_of_coordinators_that_are_killed_at_any_moment() {
    killed(6);
}

#[test]
#[ignore = "two minutes: it prints a line"]
fn what_is_left_after_fifty_kills() {
    let (median, most) = middle_and_most(killed(50));
    println!("50 kills: 0 processes left; all gone after {median:.1?}, at most {most:.1?}");
}

/// Runs that come and go in one server, in both languages, a call of a tool in some.
fn runs(client: &mut Client, count: usize) {
    for run in 0..count {
        let data = match run % 4 {
            0 => client.python("await call_tool('fixture.echo', {'text': 'x'})"),
            1 | 2 => client.python("open('x', 'w').write('x' * 5000)"),
            _ => client.data(
                "execute",
                json!({ "code": "'x'.repeat(5000).length", "language": "javascript" }),
            ),
        };
        assert_eq!(data["status"], "ok", "{data}");
    }
}

/// Sessions that are opened, used and closed.
fn sessions(client: &mut Client, count: usize) {
    for _ in 0..count {
        let session: Value = client.session();
        client.python_in(&session, "x = 'x' * 5000\nopen('x', 'w').write(x)");
        client.data("sessions", json!({ "action": "close", "session": session }));
    }
}

/// What a server holds that has nothing to do.
fn at_rest(client: &Client) -> Held {
    let mut held = Held::by(client.pid());
    // Workers of sessions that just ended are on their way out.
    let until = Instant::now() + GONE;
    while Instant::now() < until {
        std::thread::sleep(Duration::from_millis(100));
        let now = Held::by(client.pid());
        if now.processes.len() == held.processes.len() && now.mebibytes == held.mebibytes {
            return now;
        }
        held = now;
    }
    held
}

#[test]
fn a_server_holds_no_more_after_many_runs() {
    let place = Place::with_servers(json!({ "fixture": fixture(&[]) }));
    let mut client = Client::start(&place, &[]);
    runs(&mut client, 40);
    sessions(&mut client, 10);
    let before = at_rest(&client);
    runs(&mut client, 100);
    sessions(&mut client, 20);
    settles(client.pid(), &before);
    let after = at_rest(&client);
    assert!(
        after.mebibytes <= before.mebibytes + 32,
        "{before:?}, then {after:?}"
    );
}

#[test]
#[ignore = "ten minutes: it prints a table"]
fn what_a_server_holds_after_ten_thousand_runs() {
    let place = Place::with_servers(json!({ "fixture": fixture(&[]) }));
    let mut client = Client::start(&place, &[]);
    println!("| after | memory | open files | processes |\n|---|---|---|---|");
    let show = |after: &str, client: &Client| {
        let held = at_rest(client);
        let own = std::fs::read_to_string(format!("/proc/{}/status", client.pid())).unwrap();
        let own = own
            .lines()
            .find(|line| line.starts_with("RssAnon"))
            .unwrap();
        let own: u64 = own.split_whitespace().nth(1).unwrap().parse().unwrap();
        println!(
            "| {after} | {} MiB, {} MiB of it in the coordinator | {} | {} |",
            held.mebibytes,
            own / 1024,
            held.descriptors,
            held.processes.len(),
        );
        held
    };
    runs(&mut client, 100);
    let before = show("100 runs", &client);
    let mut done = 100;
    for count in [1_000, 3_000, 10_000] {
        runs(&mut client, count - done);
        done = count;
        show(&format!("{count} runs"), &client);
    }
    sessions(&mut client, 2000);
    let after = show("2,000 sessions more", &client);
    settles(client.pid(), &before);
    assert!(
        after.mebibytes <= before.mebibytes + 64,
        "{before:?}, then {after:?}"
    );
}
