//! Processes that are killed, stopped or left behind: whatever happens to us or
//! to a server, nothing goes on running.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::client::Client;
use crate::harness::{Place, contains, ends, fixture};
use crate::oracle::{Held, settles};

/// A server that forks as it starts, also into sessions of their own, and does
/// not end when it is asked to.
fn forking() -> Place {
    let arguments = [
        "--log",
        "log",
        "--fault",
        "fork=3",
        "--fault",
        "fork-detached=3",
        "--fault",
        "stubborn",
    ];
    Place::with_servers(json!({ "fixture": fixture(&arguments) }))
}

/// The processes of the server, as it wrote them down.
fn started(place: &Place) -> Vec<u64> {
    let log = place.read("log");
    let events = log.lines().map(serde_json::from_str::<Value>);
    events
        .filter_map(|event| event.expect("a line is whole")["pid"].as_u64())
        .collect()
}

fn signal(process: u64, signal: Signal) {
    let process = Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    kill_process(process, signal).expect("it runs");
}

/// Waits until the server has started and forked.
fn forked(place: &Place) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while started(place).len() < 7 || !place.read("log").contains("tools/call") {
        assert!(Instant::now() < deadline, "{}", place.read("log"));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn what_kills_us_ends_all_that_we_started() {
    for (name, source) in [
        ("a.py", "await call_tool('fixture.silent', {})"),
        (
            "a.py",
            "await call_tool('fixture.echo', {})\nwhile True: pass",
        ),
        ("a.js", "await callTool('fixture.silent', {})"),
    ] {
        let place = forking();
        place.write(name, source);
        let mut child = place
            .command(&["exec", "--timeout", "60s", name])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        forked(&place);
        let ours = Held::by(child.id().into());
        signal(child.id().into(), Signal::KILL);
        child.wait().unwrap();
        for process in started(&place) {
            ends(process);
        }
        for &process in ours.processes.keys() {
            ends(process);
        }
    }
    let place = forking();
    let mut client = Client::start(&place, &[]);
    client.ask_tool(
        "execute",
        json!({ "code": "await call_tool('fixture.silent', {})" }),
    );
    forked(&place);
    let ours = Held::by(client.pid());
    signal(client.pid(), Signal::KILL);
    for process in started(&place) {
        ends(process);
    }
    for &process in ours.processes.keys() {
        ends(process);
    }
}

#[test]
fn every_way_to_stop_a_server_over_stdio_leaves_nothing() {
    for how in [
        Some(Signal::TERM),
        Some(Signal::INT),
        Some(Signal::HUP),
        None,
    ] {
        let place = forking();
        let mut client = Client::start(&place, &[]);
        client.ask_tool(
            "execute",
            json!({ "code": "await call_tool('fixture.silent', {})" }),
        );
        forked(&place);
        let began = Instant::now();
        if let Some(how) = how {
            signal(client.pid(), how);
        }
        let status = client.close();
        assert!(began.elapsed() < Duration::from_secs(12), "{how:?}");
        assert_eq!(status, 0, "{how:?}");
        for process in started(&place) {
            ends(process);
        }
    }
}

#[test]
fn who_asks_a_second_time_does_not_wait() {
    let place = forking();
    let mut client = Client::start(&place, &[]);
    client.ask_tool(
        "execute",
        json!({ "code": "while True: pass", "timeout": 60 }),
    );
    client.ask_tool(
        "execute",
        json!({ "code": "await call_tool('fixture.silent', {})", "timeout": 60 }),
    );
    forked(&place);
    signal(client.pid(), Signal::INT);
    std::thread::sleep(Duration::from_millis(200));
    signal(client.pid(), Signal::INT);
    client.close();
    for process in started(&place) {
        ends(process);
    }
}

/// Servers that start and die many times, and runs that come and go.
#[test]
fn nothing_is_left_of_what_came_and_went() {
    let place = Place::with_servers(json!({ "fixture": fixture(&["--log", "log"]) }));
    let mut client = Client::start(&place, &[]);
    client.python("await call_tool('fixture.echo', {'text': 'x'})");
    client.data("execute", json!({ "code": "1", "language": "javascript" }));
    let before = Held::by(client.pid());
    for round in 0..25 {
        let how = ["exit0", "exit1", "kill", "abort", "stdout", "stdin"][round % 6];
        let code = format!(
            "try: await call_tool('fixture.die', {{'how': '{how}'}})\nexcept ToolError as e: print(e.kind)"
        );
        client.python(&code);
        client.data(
            "execute",
            json!({ "code": "for (;;);", "language": "javascript", "timeout": 0.05 }),
        );
        let session = client.session();
        client.python_in(&session, "open('x', 'w').write('x')");
        client.data("sessions", json!({ "action": "close", "session": session }));
    }
    // Those that died often are started after a pause.
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let data = client.python("await call_tool('fixture.echo', {'text': 'x'})");
        if data["status"] == "ok" {
            break;
        }
        assert!(Instant::now() < deadline, "{data}");
        contains(&data["error"]["message"], "fixture");
        std::thread::sleep(Duration::from_millis(500));
    }
    settles(client.pid(), &before);
    let after = Held::by(client.pid());
    assert!(
        after.mebibytes < before.mebibytes + 64,
        "{before:?}, then {after:?}"
    );
    for process in started(&place) {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        assert!(!stat.contains(") Z "), "a zombie: {stat}");
    }
}
