//! What tools cost a model in tokens, and the page that says so.
//!
//! `UPDATE_DOCS=1 cargo test --test all token_economy` writes
//! `docs/token-economy.md`; without the variable the figures are made all the
//! same and compared with the page. Servers are real, or real definitions
//! listed again; tokens are counted with OpenAI's `o200k` tokenizer.

use std::fmt::Write as _;

use serde_json::{Value, json};
use wasm_coordinator::{
    Detail, Grants, Program, ServerLimits, ServerSpec, Session, SessionOptions, Stdio, Toolbox,
    Transport, stubs_root,
};

use crate::client::{Client, text};
use crate::harness::{Place, Question, corpus, questions, real_servers, root};
use crate::library::{engine, tokio};

const PAGE: &str = "docs/token-economy.md";

/// How far a figure may drift before the page has to be made anew: descriptions
/// and stubs change a little without changing what the page says.
const DRIFT: f64 = 0.2;

/// Hits of a search, and how many of their files a model opens before it
/// searches again.
const HITS: u32 = 10;
const OPENED: usize = 3;

fn tokens(text: &str) -> usize {
    bpe_openai::o200k_base().count(text)
}

fn stdio(name: &str, command: &str, args: Vec<String>) -> ServerSpec {
    let (command, env, cwd) = (command.to_owned(), Vec::new(), None);
    ServerSpec::new(
        name,
        Transport::Stdio(Stdio {
            command,
            args,
            env,
            cwd,
        }),
    )
}

/// The servers that the other tests call.
fn test_servers(place: &std::path::Path) -> Vec<ServerSpec> {
    let mut specs = Vec::new();
    for (name, words) in real_servers() {
        let mut args = words[1..].to_vec();
        if name == "filesystem" {
            args.push(place.to_string_lossy().into_owned());
        }
        specs.push(stdio(name, &words[0], args));
    }
    specs
}

/// Recorded servers, all or one.
fn recorded_servers(only: Option<&str>) -> Vec<ServerSpec> {
    let replay = root().join("tests/corpus/replay");
    corpus()
        .iter()
        .filter(|recorded| only.is_none_or(|name| name == recorded.server))
        .map(|recorded| {
            let file = recorded.file.to_string_lossy().into_owned();
            stdio(&recorded.server, &replay.to_string_lossy(), vec![file])
        })
        .collect()
}

/// What some servers cost, with all definitions up front and without.
struct Row {
    label: String,
    tools: usize,
    up_front: usize,
    tasks: usize,
    /// Means of all tasks.
    search: f64,
    files: f64,
    /// What a program is told once, however many tools there are.
    readme: usize,
    /// Of the model, until it knows how to call the right tool: one for the README,
    /// one for each search and each file.
    turns: f64,
    questions: Vec<Question>,
    /// Of each tool: its definition, its file in Python and in TypeScript.
    each: Vec<[usize; 3]>,
}

impl Row {
    fn per_task(&self) -> f64 {
        self.readme as f64 + self.search + self.files
    }
}

async fn measure(label: &str, specs: Vec<ServerSpec>) -> Row {
    let toolbox =
        Toolbox::new(specs, ServerLimits::default()).expect("the servers can be used together");
    let grants = Grants::default();
    let servers = toolbox.servers();
    let readme = stubs_root(&servers);
    let readme = readme
        .iter()
        .find(|file| file.path == "README.md")
        .expect("there is a README.md");
    let readme = tokens(std::str::from_utf8(&readme.text).unwrap());
    let mut names = Vec::new();
    let mut each = Vec::new();
    for (server, listing) in servers.iter().zip(toolbox.listings().await) {
        let listing = listing.expect("the server lists its tools");
        for tool in &listing.tools {
            let name = format!("{}.{}", server.name, tool.name);
            let page = toolbox
                .tool(&name, &grants)
                .await
                .expect("a tool that is listed");
            let file = |text: &[u8]| tokens(std::str::from_utf8(text).unwrap());
            let definition = json!({
                "name": format!("{}__{}", server.name, tool.name),
                "description": tool.description,
                "input_schema": *tool.input_schema,
            });
            each.push([
                tokens(&definition.to_string()),
                file(&page.python),
                file(&page.typescript),
            ]);
            names.push(name);
        }
    }
    let questions: Vec<_> = questions()
        .into_iter()
        .filter(|question| question.tools.iter().any(|tool| names.contains(tool)))
        .collect();
    let (mut search, mut files, mut turns) = (0, 0, 0);
    for question in &questions {
        let (said, searches, opened) = task(&toolbox, question).await;
        search += said;
        turns += 1 + searches + opened.len();
        let cost = |name: &String| each[names.iter().position(|known| known == name).unwrap()][1];
        files += opened.iter().map(cost).sum::<usize>();
    }
    toolbox.shutdown().await;
    let count = questions.len().max(1) as f64;
    Row {
        label: label.to_owned(),
        tools: names.len(),
        up_front: each.iter().map(|[definition, ..]| definition).sum(),
        tasks: questions.len(),
        search: search as f64 / count,
        files: files as f64 / count,
        readme,
        turns: turns as f64 / count,
        questions,
        each,
    }
}

/// One task: the tokens of all searches, asked and answered, how many there were,
/// and the tools whose
/// files were opened. A model opens the first hits in order. When none of them
/// is right, it searches again in the right server, and then opens the right
/// file.
async fn task(toolbox: &Toolbox, question: &Question) -> (usize, usize, Vec<String>) {
    let grants = Grants::default();
    let is_right = |name: &String| question.tools.contains(name);
    let (mut said, mut searches) = (0, 0);
    let mut opened = Vec::new();
    let right = question.tools.first().expect("a question has an answer");
    let (server, _) = right.split_once('.').expect("server.tool");
    for server in [None, Some(server)] {
        let query = &question.query;
        let asked = match server {
            None => format!("search_tools({query:?})"),
            Some(server) => format!("search_tools({query:?}, server={server:?})"),
        };
        let answer = toolbox
            .search(query, Detail::Brief, server, HITS, &grants)
            .await
            .expect("there is such a server");
        said += tokens(&asked) + tokens(&answer);
        searches += 1;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let hits: Vec<String> = answer["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect();
        for hit in hits.into_iter().take(OPENED) {
            let is_last = is_right(&hit);
            opened.push(hit);
            if is_last {
                return (said, searches, opened);
            }
        }
    }
    opened.push(right.clone());
    (said, searches, opened)
}

/// A program that works on a table of 10,000 rows: tokens of the table, of the
/// program, and of what it prints.
async fn rows() -> [usize; 3] {
    let demo = stdio(
        "demo",
        env!("CARGO_BIN_EXE_wasm-coordinator"),
        vec!["demo-server".into()],
    );
    let toolbox = Toolbox::new(vec![demo], ServerLimits::default()).unwrap();
    let table = toolbox
        .call(&Grants::default(), "demo.list_orders", "{}")
        .await
        .unwrap();
    let source = std::fs::read_to_string(root().join("examples/quickstart.py")).unwrap();
    let mut session = Session::new(engine(), toolbox, SessionOptions::default());
    let report = session.run(Program::python(source.as_str())).await;
    let printed = report.stdout.clone();
    assert_eq!(printed.lines().count(), 3, "{report:?}");
    [tokens(&table), tokens(&source), tokens(&printed)]
}

fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn percent(part: f64, whole: f64) -> String {
    let share = 100.0 * part / whole;
    let digits = if share < 1.0 { 2 } else { 1 };
    format!("{share:.digits$} %")
}

/// What tasks cost with `serve` as models get to know it, against the definitions
/// of all tools.
struct Economy {
    label: String,
    tools: usize,
    /// Every definition, in each conversation.
    direct: usize,
    /// What `serve` tells in each conversation, without the servers.
    fixed: usize,
    /// What it tells of the servers.
    catalogue: usize,
    /// Means of all tasks, until the right tool can be called: by README, search
    /// and files, and by the catalogue and searches with signatures.
    before: Discovery,
    now: Discovery,
}

/// Tokens, and turns of the model, until it knows how to call the right tool.
#[derive(Default, Clone, Copy)]
struct Discovery {
    tokens: f64,
    turns: f64,
}

/// How a client starts a server.
fn entry(spec: &ServerSpec) -> (String, Value) {
    let Transport::Stdio(stdio) = &spec.transport else {
        panic!("all of them speak over stdio");
    };
    let entry = json!({ "command": stdio.command, "args": stdio.args });
    (spec.name.clone(), entry)
}

fn economy(label: &str, specs: &[ServerSpec], row: &Row) -> Economy {
    let place = Place::new();
    let entries: serde_json::Map<_, _> = specs.iter().map(entry).collect();
    place.write("mcp.json", json!({ "mcpServers": entries }).to_string());
    let mut client = Client::silent(&place, &[]);
    let greeting = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let greeted = client.request("initialize", greeting)["result"].take();
    let instructions = greeted["instructions"].as_str().expect("there are some");
    client.send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    // What was used once is known.
    client.call("search_tools", json!({}));
    let listed = client.request("tools/list", json!({}))["result"]["tools"].take();
    let description = listed[0]["description"].as_str().unwrap().to_owned();
    let (_, catalogue) = description.split_once('\n').expect("servers are told");
    let definitions = listed
        .to_string()
        .replace(&json!(description).to_string(), "\"\"");
    let known = |name: &String| {
        let (_, tool) = name.split_once('.').unwrap();
        let tool = tool.replace('-', "_");
        catalogue.contains(&format!("  {tool}("))
    };
    let mut now = Discovery::default();
    for question in &row.questions {
        let right = question.tools.first().expect("a question has an answer");
        if question.tools.iter().any(known) {
            continue;
        }
        let (server, _) = right.split_once('.').expect("server.tool");
        let mut is_found = false;
        for server in [None, Some(server)] {
            let mut arguments = json!({ "query": question.query });
            if let Some(server) = server {
                arguments["server"] = server.into();
            }
            let found = client.call("search_tools", arguments.clone());
            now.tokens += (tokens(&arguments.to_string()) + tokens(text(&found))) as f64;
            now.turns += 1.0;
            let tools = found["structuredContent"]["tools"].as_array().unwrap();
            let hit = tools.iter().find(|tool| {
                let name = tool["name"].as_str().unwrap();
                question.tools.contains(name)
            });
            if let Some(hit) = hit {
                if hit.get("call").is_some() {
                    is_found = true;
                }
                break;
            }
        }
        if !is_found {
            let details = client.call("get_tool_details", json!({ "name": right }));
            now.tokens += tokens(text(&details)) as f64;
            now.turns += 1.0;
        }
    }
    let count = row.questions.len().max(1) as f64;
    Economy {
        label: label.to_owned(),
        tools: row.tools,
        direct: row.up_front,
        fixed: tokens(instructions) + tokens(&definitions) + tokens(&description)
            - tokens(catalogue),
        catalogue: tokens(catalogue),
        before: Discovery {
            tokens: row.per_task(),
            turns: row.turns,
        },
        now: Discovery {
            tokens: now.tokens / count,
            turns: now.turns / count,
        },
    }
}

fn economy_table(economies: &[Economy]) -> String {
    let mut page = String::from(include_str!("token_economy/turns.md"));
    page += "\n| servers | tools | direct: definitions | serve: fixed | catalogue | tokens until the call, before | now | turns before | now | serve: total | cheaper |\n";
    page += "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n";
    for economy in economies {
        let Economy {
            label, before, now, ..
        } = economy;
        let fixed = [
            economy.tools,
            economy.direct,
            economy.fixed,
            economy.catalogue,
        ];
        let fixed = fixed.map(|number| count(number as f64)).join(" | ");
        let total = (economy.fixed + economy.catalogue) as f64 + now.tokens;
        let cheaper = if total < economy.direct as f64 {
            "serve"
        } else {
            "direct calls"
        };
        writeln!(
            page,
            "| with serve: {label} | {fixed} | {} | {} | {:.1} | {:.1} | {} | {cheaper} |",
            count(before.tokens),
            count(now.tokens),
            before.turns,
            now.turns,
            count(total),
        )
        .unwrap();
    }
    page
}

fn page(rows: &[Row], economies: &[Economy], [table, program, printed]: [usize; 3]) -> String {
    let mut page = String::from(include_str!("token_economy/introduction.md"));
    page += "\n| servers | tools | all definitions | tasks | README | search | files | total | share of all definitions |\n";
    page += "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    for row in rows {
        let numbers = [
            row.tools as f64,
            row.up_front as f64,
            row.tasks as f64,
            row.readme as f64,
        ];
        let means = [row.search, row.files, row.per_task()];
        let cells: Vec<_> = numbers.into_iter().chain(means).map(count).collect();
        let share = percent(row.per_task(), row.up_front as f64);
        writeln!(page, "| {} | {} | {share} |", row.label, cells.join(" | ")).unwrap();
    }
    page += &economy_table(economies);
    page += include_str!("token_economy/files.md");
    page += "\n| servers | definition | Python | TypeScript | Python / definition | TypeScript / definition |\n";
    page += "|---|--:|--:|--:|--:|--:|\n";
    for row in rows {
        let sum = |of: usize| row.each.iter().map(|tool| tool[of]).sum::<usize>() as f64;
        let mean = |of| count(sum(of) / row.each.len() as f64);
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            row.label,
            mean(0),
            mean(1),
            mean(2),
            percent(sum(1), sum(0)),
            percent(sum(2), sum(0))
        )
        .unwrap();
    }
    page += include_str!("token_economy/rows.md");
    page += "\n| what passes through the model | tokens |\n|---|--:|\n";
    let (table, program, printed) = (table as f64, program as f64, printed as f64);
    writeln!(page, "| the result of a direct call | {} |", count(table)).unwrap();
    writeln!(
        page,
        "| the program, written by the model | {} |",
        count(program)
    )
    .unwrap();
    writeln!(page, "| what the program prints | {} |", count(printed)).unwrap();
    writeln!(
        page,
        "| program and output, as a share of the direct call | {} |",
        percent(program + printed, table)
    )
    .unwrap();
    page
}

/// The figures of a page: the label of each row, and its numbers.
fn figures(page: &str) -> Vec<(&str, Vec<f64>)> {
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("---"));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(str::trim);
        let label = cells.next().unwrap_or_default();
        let number = |cell: &str| -> Option<f64> {
            cell.replace(',', "").trim_end_matches(" %").parse().ok()
        };
        (label, cells.filter_map(number).collect())
    })
    .filter(|(_, numbers): &(&str, Vec<f64>)| !numbers.is_empty())
    .collect()
}

#[test]
fn token_economy_is_what_the_page_says() {
    let place = tempfile::tempdir().unwrap();
    let mut economies = Vec::new();
    let mut rows = Vec::new();
    let mut add = |label: &str, specs: Vec<ServerSpec>, is_row: bool| {
        // It takes minutes; whoever waits sees how far it is.
        println!("{label}");
        let row = tokio().block_on(measure(label, specs.clone()));
        economies.push(economy(label, &specs, &row));
        if is_row {
            rows.push(row);
        }
    };
    for spec in test_servers(place.path()) {
        add(&spec.name.clone(), vec![spec], false);
    }
    add("the servers of the tests", test_servers(place.path()), true);
    for name in ["github", "notion", "grafana", "gitlab"] {
        let specs = recorded_servers(Some(name));
        if !specs.is_empty() {
            add(name, specs, true);
        }
    }
    let specs = recorded_servers(None);
    let label = format!("the corpus, {} servers", specs.len());
    add(&label, specs, true);
    let made = page(&rows, &economies, tokio().block_on(self::rows()));
    let path = root().join(PAGE);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let said = std::fs::read_to_string(&path).expect(PAGE);
    let hint = "`UPDATE_DOCS=1 cargo test --test all token_economy` makes the page anew";
    let (said, made) = (figures(&said), figures(&made));
    for (label, numbers) in &made {
        // A corpus with a server missing is another row.
        let Some((_, expected)) = said
            .iter()
            .find(|(other, of)| other == label && of.len() == numbers.len())
        else {
            assert!(
                label.contains("the corpus"),
                "{PAGE} has no row `{label}`; {hint}"
            );
            continue;
        };
        for (number, expected) in numbers.iter().zip(expected) {
            let is_near = (number - expected).abs() <= DRIFT * expected.max(5.0);
            assert!(
                is_near,
                "`{label}` has {number} where {PAGE} says {expected}; {hint}"
            );
        }
    }
    assert!(said.len() >= 16, "{said:?}");
}
