//! Real MCP servers from npm and PyPI.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Place, fixture, ok, real_servers};

fn entry(name: &str, more: &[&str]) -> Value {
    let words = &real_servers()[name];
    let mut args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    args.extend_from_slice(more);
    json!({ "command": words[0], "args": args })
}

fn everything() -> Place {
    let place = Place::new();
    place.write("shared/a.txt", "alpha\n");
    place.write("shared/b.txt", "beta\n");
    let shared = place.path().join("shared");
    let git = |arguments: &[&str]| {
        let ended = Command::new("git")
            .current_dir(&shared)
            .args(arguments)
            .output()
            .expect("git starts");
        assert!(
            ended.status.success(),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&[
        "-c",
        "user.name=A",
        "-c",
        "user.email=a@example.com",
        "commit",
        "--quiet",
        "--message",
        "first words",
    ]);
    let shared = shared.to_str().unwrap().to_owned();
    let memory = place.path().join("memory.json");
    let mut memory_server = entry("memory", &[]);
    memory_server["env"] = json!({ "MEMORY_FILE_PATH": memory });
    let config = json!({ "mcpServers": {
        "everything": entry("everything", &[]),
        "filesystem": entry("filesystem", &[&shared]),
        "memory": memory_server,
        "time": entry("time", &[]),
        "git": entry("git", &["--repository", &shared]),
    } });
    place.write("mcp.json", config.to_string());
    place
}

#[test]
fn five_servers_at_once_from_python() {
    let place = everything();
    let shared = place.path().join("shared");
    let source = format!(
        "\
import asyncio
from servers.everything import echo
from servers.filesystem import read_text_file, list_directory
from servers.memory import create_entities, read_graph
from servers.time import get_current_time
from servers.git import git_log
shared = {shared:?}
said, text, listing, now, log = await asyncio.gather(
    echo(message='hello'),
    read_text_file(path=shared + '/a.txt'),
    list_directory(path=shared),
    get_current_time(timezone='UTC'),
    git_log(repo_path=shared),
)
await create_entities(entities=[{{'name': 'Ada', 'entityType': 'person', 'observations': ['wrote programs']}}])
graph = await read_graph()
{{'said': said, 'text': str(text), 'listing': str(listing), 'now': now, 'log': str(log), 'graph': graph}}",
    );
    let result = ok(place.exec("a.py", &source, &["--timeout", "60s"]));
    let text = |key: &str| result[key].to_string();
    assert!(text("said").contains("hello"), "{result:#}");
    assert!(text("text").contains("alpha"), "{result:#}");
    assert!(text("listing").contains("b.txt"), "{result:#}");
    assert!(text("now").contains("UTC"), "{result:#}");
    assert!(text("log").contains("first words"), "{result:#}");
    assert!(text("graph").contains("Ada"), "{result:#}");
}

#[test]
fn the_same_from_typescript() {
    let place = everything();
    let shared = place.path().join("shared");
    let source = format!(
        "\
import {{ echo, getSum }} from \"servers/everything\";
import {{ readTextFile }} from \"servers/filesystem\";
import {{ getCurrentTime }} from \"servers/time\";
const shared: string = {shared:?};
const [said, text, now] = await Promise.all([
  echo({{ message: 'hello' }}),
  readTextFile({{ path: shared + '/b.txt' }}),
  getCurrentTime({{ timezone: 'UTC' }}),
]);
[said, text, now].map(x => JSON.stringify(x))",
    );
    let source = source.replace("{ echo, getSum }", "{ echo }");
    let result = ok(place.exec("a.ts", &source, &["--timeout", "60s"]));
    assert!(result[0].as_str().unwrap().contains("hello"), "{result:#}");
    assert!(result[1].as_str().unwrap().contains("beta"), "{result:#}");
    assert!(result[2].as_str().unwrap().contains("UTC"), "{result:#}");
}

#[test]
fn the_servers_command_lists_them() {
    let place = everything();
    let mut config: Value = serde_json::from_str(&place.read("mcp.json")).unwrap();
    config["mcpServers"]["broken"] = json!({ "command": "no-such-program-at-all" });
    place.write("mcp.json", config.to_string());
    let ran = place.run(&["servers", "--json"]);
    let list: Value = serde_json::from_str(&ran.stdout)
        .unwrap_or_else(|_| panic!("{}{}", ran.stdout, ran.stderr));
    let servers = list["servers"].as_array().unwrap();
    let by_name = |name: &str| {
        servers
            .iter()
            .find(|server| server["name"] == name)
            .unwrap()
    };
    for name in ["everything", "filesystem", "memory", "time", "git"] {
        assert_eq!(by_name(name)["state"], "ready", "{list:#}");
        assert!(by_name(name)["tools"].as_u64().unwrap() >= 2, "{list:#}");
    }
    assert_eq!(by_name("broken")["state"], "failed");
    assert!(
        by_name("broken")["error"]
            .as_str()
            .unwrap()
            .contains("no-such-program-at-all"),
        "{list:#}"
    );
    let ran = place.run(&["servers"]);
    assert!(
        ran.stdout.contains("filesystem") && ran.stdout.contains("broken"),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.status, 1, "one of them failed");
}

/// A real server over HTTP, ended with the test.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_real_server_over_http() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let words = &real_servers()["everything"];
    let child = Command::new(&words[0])
        .args(&words[1..])
        .arg("streamableHttp")
        .env("PORT", port.to_string())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the server starts");
    let _running = Running(child);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            std::time::Instant::now() < deadline,
            "the server does not listen"
        );
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let place = Place::with_servers(
        json!({ "everything": { "url": format!("http://127.0.0.1:{port}/mcp") } }),
    );
    let source = "\
import asyncio
from servers.everything import echo, get_sum
said, total = await asyncio.gather(echo(message='hello'), get_sum(a=20, b=22))
[str(said), str(total)]";
    let result = ok(place.python(source));
    assert!(result[0].as_str().unwrap().contains("hello"), "{result}");
    assert!(result[1].as_str().unwrap().contains("42"), "{result}");
}

#[test]
fn a_server_is_listed_as_soon_as_it_answers() {
    let place = Place::with_servers(json!({
        "slow": fixture(&["--fault", "slow-start=4000"]),
        "quick": fixture(&[]),
    }));
    let started = Instant::now();
    let mut child = place
        .command(&["servers"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let seen: Vec<_> = lines
        .map(|line| (line.expect("it is text"), started.elapsed()))
        .collect();
    assert!(child.wait().expect("it ends").success(), "{seen:?}");
    let [(quick, first), (slow, second)] = &seen[..] else {
        panic!("{seen:?}");
    };
    assert!(
        quick.starts_with("quick") && slow.starts_with("slow"),
        "{seen:?}"
    );
    assert!(*second - *first > Duration::from_secs(1), "{seen:?}");
}
