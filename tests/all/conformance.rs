//! The official conformance suite, run as it is against the real thing.
//!
//! Every scenario that a revision of the protocol requires must pass with all
//! its checks, except those of authorization (`auth/`) on the client side.
//! Scenarios that do not pass are listed in `docs/conformance.md`, each with
//! what the suite says of it (required, or why not) and with the reason. The
//! list may neither lack anything nor hold what passes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use serde::Deserialize;
use serde_json::Value;

use crate::harness::{conformance_client, conformance_server, root};

const TOKEN: &str = "a-token-for-the-conformance-suite";

/// Checks of the handshake, which the suite skips in the revision that has none.
const HANDSHAKE: &[&str] = &[
    "ClientMcpMethodHeader_initialize",
    "ClientMcpMethodHeader_notifications_initialized",
];

/// What the table in `docs/conformance.md` says of a scenario that a revision
/// requires.
const REQUIRED: &str = "yes";

/// How to start the suite, as its install script says.
#[derive(Deserialize)]
struct Suite {
    node: PathBuf,
    suite: PathBuf,
    requirements: PathBuf,
}

impl Suite {
    fn installed() -> &'static Self {
        static SUITE: OnceLock<Suite> = OnceLock::new();
        SUITE.get_or_init(|| {
            let output = Command::new(root().join("tests/conformance/install"))
                .arg("--json")
                .output()
                .expect("the install script starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{said}");
            serde_json::from_slice(&output.stdout).expect("the install script prints JSON")
        })
    }

    /// The scenarios that the suite runs for a revision on one side, `server` or
    /// `client`. The value is [`REQUIRED`], or the suite's reason for not
    /// requiring the scenario.
    fn scenarios(&self, side: &str, revision: &str) -> BTreeMap<String, String> {
        let file = self.requirements.join(format!("{revision}.yaml"));
        let text = std::fs::read_to_string(&file).expect("the suite has requirements");
        let mut scenarios = BTreeMap::new();
        let (mut section, mut scenario, mut leg) = ("", "", "");
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some(name) = line.strip_suffix(':').filter(|line| !line.starts_with(' ')) {
                section = name;
            } else if let Some(name) = line.strip_prefix("  - scenario: ") {
                scenario = name;
            } else if let Some(name) = line.strip_prefix("    leg: ") {
                leg = name;
            } else if let Some(reason) = line.strip_prefix("    reason: ") {
                if leg == side {
                    scenarios.insert(scenario.to_owned(), reason.to_owned());
                }
            } else if let Some(name) = line.strip_prefix("  - ").filter(|_| section == side) {
                scenarios.insert(name.to_owned(), REQUIRED.to_owned());
            }
        }
        let required = scenarios.values().filter(|value| *value == REQUIRED);
        assert!(required.count() > 10, "{scenarios:?}");
        scenarios
    }

    /// Runs all that a revision requires, and says what came of each scenario:
    /// nothing when it passed, or why it did not.
    fn run_against(&self, url: &str, revision: &str) -> BTreeMap<String, Option<String>> {
        let results = tempfile::tempdir().expect("a temporary folder can be made");
        let output = Command::new(&self.node)
            .arg("--import")
            .arg(root().join("tests/conformance/bearer.mjs"))
            .arg(&self.suite)
            .args([
                "server",
                "--url",
                url,
                "--requirements",
                revision,
                "--output-dir",
            ])
            .arg(results.path())
            .env("WASM_COORDINATOR_CONFORMANCE_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .output()
            .expect("the suite starts");
        let verdicts = verdicts(results.path(), "server-");
        let said = String::from_utf8_lossy(&output.stdout);
        let failed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verdicts:#?}\n{said}\n{failed}");
        verdicts
    }

    /// The same for the client side: the suite starts the client.
    fn run_client(&self, revision: &str) -> BTreeMap<String, Option<String>> {
        let results = tempfile::tempdir().expect("a temporary folder can be made");
        // The status tells only that what needs an authorization server fails.
        Command::new(&self.node)
            .arg(&self.suite)
            .args(["client", "--requirements", revision, "--command"])
            .arg(conformance_client())
            .arg("--output-dir")
            .arg(results.path())
            .stdin(Stdio::null())
            .output()
            .expect("the suite starts");
        verdicts(results.path(), "")
    }
}

/// What the suite wrote down: one folder for each scenario, with its checks.
/// Names with a slash are folders in folders.
fn verdicts(results: &Path, prefix: &str) -> BTreeMap<String, Option<String>> {
    let mut verdicts = BTreeMap::new();
    for entry in std::fs::read_dir(results)
        .expect("there are results")
        .flatten()
    {
        let name = entry.file_name().into_string().expect("a name in UTF-8");
        let checks = entry.path().join("checks.json");
        if !checks.exists() {
            let below = self::verdicts(&entry.path(), "");
            let named = |(below, verdict)| (format!("{name}/{below}"), verdict);
            verdicts.extend(below.into_iter().map(named));
            continue;
        }
        // `server-NAME-2026-11-21T12-00-00-000Z`
        let name = &name[prefix.len()..name.len() - "-2026-11-21T12-00-00-000Z".len()];
        let text = std::fs::read(checks).expect("there are checks");
        let checks: Vec<Value> = serde_json::from_slice(&text).expect("they are JSON");
        let with = |statuses: &[&str]| -> Vec<_> {
            let known = |check: &&Value| {
                let of_handshake = HANDSHAKE.iter().any(|name| check["name"] == *name);
                statuses.iter().any(|status| check["status"] == *status)
                    && !(check["status"] == "SKIPPED" && of_handshake)
            };
            checks.iter().filter(known).collect()
        };
        let wrong = with(&["FAILURE", "WARNING", "SKIPPED"]);
        let verdict = if !wrong.is_empty() {
            Some(format!("{wrong:#?}"))
        } else if with(&["SUCCESS"]).is_empty() {
            Some("nothing was checked".to_owned())
        } else {
            None
        };
        let before = verdicts.insert(name.to_owned(), verdict);
        assert!(before.is_none(), "{name} ran twice");
    }
    verdicts
}

/// The rows of the table in `docs/conformance.md` for one side and revision:
/// `| side | revision | required | scenarios | reason |`. Each scenario has the
/// text of the cell `required`, without the words "no: ".
fn listed(side: &str, revision: &str) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        if let ["", row_side, row_revision, required, scenarios, reason, ""] = cells[..]
            && (row_side, row_revision) == (side, revision)
        {
            assert!(!reason.is_empty(), "{line}");
            let required = required.trim_start_matches("no: ");
            for scenario in scenarios.split(", ") {
                let name = scenario.trim_matches('`').to_owned();
                let before = listed.insert(name, required.to_owned());
                assert!(before.is_none(), "{scenario} is listed twice");
            }
        }
    }
    listed
}

/// What was run is what the suite has for the revision, every required scenario
/// passed unless `may_fail` says otherwise, and the documentation lists those
/// that did not pass, with what the suite says of them.
fn agree(
    side: &str,
    revision: &str,
    verdicts: BTreeMap<String, Option<String>>,
    may_fail: fn(&str) -> bool,
) {
    let scenarios = Suite::installed().scenarios(side, revision);
    let ran: BTreeSet<_> = verdicts.keys().collect();
    assert_eq!(ran, scenarios.keys().collect(), "all of them were run");
    let mut missed = BTreeMap::new();
    for (scenario, verdict) in verdicts {
        if let Some(why) = verdict {
            let required = &scenarios[&scenario];
            let accepted = required != REQUIRED || may_fail(&scenario);
            assert!(accepted, "{scenario}: {why}");
            missed.insert(scenario, required.clone());
        }
    }
    assert_eq!(
        missed,
        listed(side, revision),
        "left: what did not pass for {revision}; right: docs/conformance.md"
    );
    let count = |scenarios: &BTreeMap<String, String>| {
        scenarios
            .values()
            .filter(|value| *value == REQUIRED)
            .count()
    };
    let required = count(&scenarios);
    let row = format!(
        "\n| {side}, `{revision}` | {required} | {} |",
        required - count(&missed)
    );
    let text = std::fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    assert!(text.contains(&row), "docs/conformance.md lacks {row}");
}

struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start() -> Self {
        let mut child = Command::new(conformance_server())
            .env("WASM_COORDINATOR_CONFORMANCE_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let stdout = child.stdout.take().expect("it is piped");
        let mut url = String::new();
        BufReader::new(stdout)
            .read_line(&mut url)
            .expect("it says where it is");
        Self {
            child,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn the_server_conforms_to(revision: &str) {
    let server = Server::start();
    let verdicts = Suite::installed().run_against(&server.url, revision);
    agree("server", revision, verdicts, |_| false);
}

#[test]
fn the_server_conforms_to_the_revision_without_sessions() {
    the_server_conforms_to("2026-07-28");
}

#[test]
fn the_server_conforms_to_the_last_revision_with_sessions() {
    the_server_conforms_to("2025-11-25");
}

/// Our connections have no OAuth, which all scenarios below `auth/` are about.
fn the_client_conforms_to(revision: &str) {
    let verdicts = Suite::installed().run_client(revision);
    agree("client", revision, verdicts, |scenario| {
        scenario.starts_with("auth/")
    });
}

#[test]
fn the_client_conforms_to_the_revision_without_sessions() {
    the_client_conforms_to("2026-07-28");
}

#[test]
fn the_client_conforms_to_the_last_revision_with_sessions() {
    the_client_conforms_to("2025-11-25");
}
