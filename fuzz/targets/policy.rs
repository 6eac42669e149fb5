//! Patterns on tools, and calls of programs that look for a way around them.
//!
//! A second reading of the patterns says what may be called. A tool runs only if it
//! may, also when somebody has to agree; what may be called runs; and what is found
//! by searching may be called.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use contract::message::{CallErrorKind, Detail, Server, Tool};
use contract::program::Language;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tools::{
    Answering, Approval, CallLog, Grants, HostCallbacks, LocalTools, ServerLimits, ServerSpec,
    Toolbox, Verdict,
};

use crate::input::Input;
use crate::runner::Target;

/// See the module.
pub const TARGET: Target = Target {
    name: "policy",
    run,
    seeds: Vec::new,
    words: &["*", "git.", "**", "{a,b}", "[!a]", "\\"],
    longest: 1 << 10,
    memory: |_| 64 << 20,
};

/// All ASCII: `?` and `[…]` match bytes, as docs/configuration.md says.
const SERVERS: [&str; 8] = ["git", "git-hub", "a", "a.b", "a.b.c", "x y", "[z]", "zed"];

const TOOLS: [&str; 10] = [
    "push",
    "list-issues",
    "listIssues",
    "b",
    "b.c",
    "c",
    "*",
    "delete all",
    "class",
    "z",
];

/// A part of a pattern, with what it means.
#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Any,
    One,
    Of(Vec<char>, bool),
    Either(Vec<String>),
}

thread_local! {
    static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("an event loop");
}

/// The tools that ran, as server and tool.
type Ran = Arc<Mutex<Vec<(usize, usize)>>>;

/// Somebody who is asked.
struct Person {
    agrees: bool,
    asked: Mutex<Vec<(String, String)>>,
}

impl HostCallbacks for Person {
    fn approve(&self, approval: Approval) -> Answering<'_, Verdict> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.push((approval.server, approval.tool));
        let verdict = if self.agrees {
            Verdict::Approved
        } else {
            Verdict::Refused
        };
        Box::pin(async move { verdict })
    }
}

fn run(input: &[u8]) {
    let mut input = Input::new(input);
    let ran = Ran::default();
    let Some((toolbox, names)) = toolbox(&mut input, &ran) else {
        return;
    };
    let policy = Policy::of(&mut input);
    let grants = policy.grants();
    if input.once_in(8) {
        // Whatever is no pattern is said to be none.
        let text = String::from_utf8_lossy(&input.bytes(40)).into_owned();
        if let Err(error) = Grants::new([&text], [""; 0]) {
            assert!(error.to_string().contains("is not a pattern"), "{error}");
        }
    }
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let known = Known::of(&toolbox, &names).await;
            found_by_searching(&toolbox, &grants, &policy, &known).await;
            let agrees = input.once_in(2);
            while !input.is_empty() {
                let (server, tool) = (input.below(names.len()), input.below(TOOLS.len()));
                let written = known.written(&mut input, server, tool);
                call(
                    &toolbox,
                    &grants,
                    &policy,
                    &known,
                    (agrees, &written, &ran),
                    (server, tool),
                )
                .await;
            }
        });
    });
}

fn toolbox(input: &mut Input<'_>, ran: &Ran) -> Option<(Toolbox, Vec<&'static str>)> {
    let mut names: Vec<&str> = Vec::new();
    for _ in 0..=input.below(3) {
        let name = input.one_of(&SERVERS);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let specs = names.iter().enumerate().map(|(server, name)| {
        let tools = TOOLS.iter().enumerate();
        let tools = tools.fold(LocalTools::new(), |tools, (tool, name)| {
            let ran = Arc::clone(ran);
            tools.tool(*name, "Does it", json!({}), move |_| {
                let mut ran = ran.lock().unwrap_or_else(PoisonError::into_inner);
                ran.push((server, tool));
                async { Ok(Value::Null) }
            })
        });
        ServerSpec::local(*name, tools)
    });
    // Two that programs could not tell apart are refused.
    let toolbox = Toolbox::new(specs.collect(), ServerLimits::default()).ok()?;
    Some((toolbox, names))
}

async fn call(
    toolbox: &Toolbox,
    grants: &Grants,
    policy: &Policy,
    known: &Known,
    (agrees, written, ran): (bool, &str, &Ran),
    (server, tool): (usize, usize),
) {
    let person = Arc::new(Person {
        agrees,
        asked: Mutex::default(),
    });
    let callbacks: Arc<dyn HostCallbacks> = Arc::clone(&person) as _;
    let log = CallLog::default();
    let called = toolbox
        .call_with_callbacks(grants, &callbacks, written, "{}", &log)
        .await;
    let ran = std::mem::take(&mut *ran.lock().unwrap_or_else(PoisonError::into_inner));
    let asked = std::mem::take(&mut *person.asked.lock().unwrap_or_else(PoisonError::into_inner));
    let context = || format!("`{written}` under {policy:?}: {called:?}");
    assert!(ran.len() <= 1 && asked.len() <= 1, "{}", context());
    assert_eq!(called.is_ok(), ran.len() == 1, "{}", context());
    for &(server, tool) in &ran {
        let may = match policy.decide(&known.spellings(server, tool)) {
            May::Be => asked.is_empty(),
            May::BeAsked => agrees && asked.len() == 1,
            May::NotBe => false,
        };
        assert!(may, "it ran: {}", context());
    }
    // Two tools may have a name that one program writes for both.
    let is_meant = |&tool: &usize| {
        known
            .spellings(server, tool)
            .iter()
            .any(|it| it == written.trim())
    };
    let is_certain = known.servers.len() == 1 && (0..TOOLS.len()).filter(is_meant).count() == 1;
    let may = policy.decide(&known.spellings(server, tool));
    match (&called, may) {
        (Ok(_), _) => {}
        (Err(error), May::NotBe) => {
            assert!(!error.message.is_empty(), "{}", context());
            let is_denial = error.kind == CallErrorKind::Denied;
            assert!(is_denial || !is_certain, "{}", context());
        }
        (Err(_), May::BeAsked) if !agrees => {}
        (Err(_), _) => assert!(!is_certain, "it did not run: {}", context()),
    }
}

/// Tools that a program finds are tools that it may call.
async fn found_by_searching(toolbox: &Toolbox, grants: &Grants, policy: &Policy, known: &Known) {
    let found = toolbox.search("", Detail::Brief, None, 100, grants).await;
    let found: Value = serde_json::from_str(&found.expect("searching works")).expect("it is JSON");
    let found: Vec<&str> = found["tools"]
        .as_array()
        .expect("there is a list")
        .iter()
        .filter_map(|tool| tool["tool"].as_str().or_else(|| tool["name"].as_str()))
        .collect();
    // Two tools can have one name: `c` of `a.b`, and `b.c` of `a`.
    let (mut expected, mut names) = (0, BTreeSet::new());
    for server in 0..known.servers.len() {
        for (tool, raw) in TOOLS.iter().enumerate() {
            if policy.decide(&known.spellings(server, tool)) != May::NotBe {
                expected += 1;
                names.insert(format!("{}.{raw}", known.servers[server].name));
            }
        }
    }
    let listed: BTreeSet<String> = found.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(listed, names, "under {policy:?}");
    assert_eq!(found.len(), expected, "{found:?}");
}

/// The names that servers and tools have.
struct Known {
    servers: Vec<Server>,
    python: Vec<Vec<Tool>>,
    javascript: Vec<Vec<Tool>>,
}

impl Known {
    async fn of(toolbox: &Toolbox, names: &[&str]) -> Self {
        let all = Grants::default();
        let (mut python, mut javascript) = (Vec::new(), Vec::new());
        for name in names {
            for (language, tools) in [
                (Language::Python, &mut python),
                (Language::JavaScript, &mut javascript),
            ] {
                let described = toolbox.describe(name, language, &all).await;
                let described = described.expect("everything is granted");
                assert_eq!(described.len(), TOOLS.len(), "tools are missing");
                tools.push(described);
            }
        }
        Self {
            servers: toolbox.servers(),
            python,
            javascript,
        }
    }

    /// Every text that a pattern may match.
    fn spellings(&self, server: usize, tool: usize) -> Vec<String> {
        let names = &self.servers[server];
        let tools = [
            TOOLS[tool],
            &self.python[server][tool].identifier,
            &self.javascript[server][tool].identifier,
        ];
        let servers = [&names.name, &names.identifier];
        let join = |server: &String| tools.map(|tool| format!("{server}.{tool}"));
        servers.into_iter().flat_map(join).collect()
    }

    /// How a program may write it.
    fn written(&self, input: &mut Input<'_>, server: usize, tool: usize) -> String {
        let spellings = self.spellings(server, tool);
        let mut written = input.one_of(&spellings);
        if input.once_in(6) {
            written = format!(" {written}\n");
        }
        written
    }
}

/// What may come of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum May {
    Be,
    BeAsked,
    NotBe,
}

#[derive(Debug)]
struct Policy {
    allow: Option<Vec<Vec<Part>>>,
    ask: Vec<Vec<Part>>,
    trust: Vec<Vec<Part>>,
    deny: Vec<Vec<Part>>,
}

impl Policy {
    fn of(input: &mut Input<'_>) -> Self {
        let is_limited = !input.once_in(4);
        let mut patterns = |most: usize| -> Vec<Vec<Part>> {
            (0..input.below(most)).map(|_| pattern(input)).collect()
        };
        Self {
            allow: is_limited.then(|| patterns(4)),
            ask: patterns(3),
            trust: patterns(2),
            deny: patterns(3),
        }
    }

    fn grants(&self) -> Grants {
        let texts = |patterns: &[Vec<Part>]| -> Vec<String> {
            patterns.iter().map(|pattern| written(pattern)).collect()
        };
        let grants = match &self.allow {
            Some(allow) => Grants::new(texts(allow), texts(&self.deny)),
            None => Grants::all_but(texts(&self.deny)),
        };
        let grants = grants.and_then(|grants| grants.asking(texts(&self.ask)));
        let grants = grants.and_then(|grants| grants.trusting(texts(&self.trust)));
        grants.unwrap_or_else(|error| panic!("{error}"))
    }

    fn decide(&self, spellings: &[String]) -> May {
        let any = |patterns: &[Vec<Part>]| {
            patterns.iter().any(|pattern| {
                let mut spellings = spellings.iter();
                spellings.any(|spelling| matches(pattern, spelling))
            })
        };
        if any(&self.deny) {
            May::NotBe
        } else if any(&self.ask) {
            if any(&self.trust) {
                May::Be
            } else {
                May::BeAsked
            }
        } else if self.allow.as_ref().is_none_or(|allow| any(allow)) {
            May::Be
        } else {
            May::NotBe
        }
    }
}

fn pattern(input: &mut Input<'_>) -> Vec<Part> {
    let names = [
        &SERVERS[..],
        &TOOLS[..],
        &["git_hub", "list_issues", "a_b", ".", "i", "a.b."],
    ];
    let names = names.concat();
    let mut parts = Vec::new();
    if !input.once_in(4) {
        parts.push(part(input, &names));
        parts.push(Part::Text(".".to_owned()));
    }
    for _ in 0..=input.below(2) {
        parts.push(part(input, &names));
    }
    parts
}

fn part(input: &mut Input<'_>, names: &[&str]) -> Part {
    match input.below(8) {
        0 | 1 => Part::Any,
        2 => Part::One,
        3 => Part::Of(
            vec![input.one_of(&['a', 'g', 'z', '*']), 'c'],
            input.once_in(2),
        ),
        4 => Part::Either(vec![
            input.one_of(names).to_owned(),
            input.one_of(names).to_owned(),
        ]),
        _ => Part::Text(input.one_of(names).to_owned()),
    }
}

/// As people write it.
fn written(pattern: &[Part]) -> String {
    let plain = |text: &str| -> String {
        let escape = |c: char| match "*?[]{}\\,".contains(c) {
            true => format!("\\{c}"),
            false => c.to_string(),
        };
        text.chars().map(escape).collect()
    };
    let part = |part: &Part| match part {
        Part::Text(text) => plain(text),
        Part::Any => "*".to_owned(),
        Part::One => "?".to_owned(),
        Part::Of(chars, is_not) => {
            let chars: String = chars.iter().collect();
            format!("[{}{chars}]", if *is_not { "!" } else { "" })
        }
        Part::Either(texts) => {
            let texts: Vec<_> = texts.iter().map(|text| plain(text)).collect();
            format!("{{{}}}", texts.join(","))
        }
    };
    pattern.iter().map(part).collect()
}

/// Whether a pattern is the whole of a text.
fn matches(pattern: &[Part], text: &str) -> bool {
    let Some((first, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    let mut chars = text.chars();
    match first {
        Part::Text(start) => text
            .strip_prefix(start.as_str())
            .is_some_and(|after| matches(rest, after)),
        Part::Any => {
            let mut ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
            ends.any(|end| matches(rest, &text[end..]))
        }
        Part::One => chars.next().is_some() && matches(rest, chars.as_str()),
        Part::Of(of, is_not) => {
            let next = chars.next();
            next.is_some_and(|c| of.contains(&c) != *is_not) && matches(rest, chars.as_str())
        }
        Part::Either(texts) => texts.iter().any(|start| {
            let after = text.strip_prefix(start.as_str());
            after.is_some_and(|after| matches(rest, after))
        }),
    }
}
