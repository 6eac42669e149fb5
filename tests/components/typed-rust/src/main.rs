//! Calls tools of the servers that the tests install, each through a function
//! that `wasm-coordinator wit` printed, and prints what came back.
//!
//! The first argument is a folder that the server `filesystem` may write to,
//! and at the same time a git repository.

wit_bindgen::generate!({ world: "program", path: "wit", generate_all });

use mcp::everything::tools::{self as everything, GetResourceLinksOptions, Location};
use mcp::filesystem::tools::{self as filesystem, Edit, EditFileOptions, ReadTextFileOptions};
use mcp::git::tools::{self as git, GitLogOptions};
use mcp::memory::tools::{self as memory, Entity, Relation};
use mcp::time::tools as time;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("give me a folder")?;

    // An enum as an argument, a record as a result.
    let weather = everything::get_structured_content(Location::NewYork)?;
    println!("weather: {} {} {}", weather.temperature, weather.conditions, weather.humidity);

    // Numbers, and text as a result; options left out and given.
    println!("sum: {}", everything::get_sum(1.0, 2.5)?);
    let count = |options: Option<&GetResourceLinksOptions>| -> Result<usize, everything::ToolError> {
        Ok(everything::get_resource_links(options.copied())?.matches("\"uri\"").count())
    };
    println!("links: {} {}", count(None)?, count(Some(&GetResourceLinksOptions { count: Some(2.0) }))?);

    // Records in records.
    let converted = time::convert_time("Europe/Zurich", "12:30", "Asia/Kathmandu")?;
    println!("time: {} to {}", converted.source.timezone, converted.target.timezone);

    // Lists of records both ways, and a field whose name is a keyword.
    let entity = |name: &str| Entity {
        name: name.into(),
        entity_type: "port \"*/\" \u{1f6a2}\n".into(),
        observations: vec!["wet".into(), String::new()],
    };
    let created = memory::create_entities(&[entity("Basel"), entity("Rotterdam")])?;
    println!("entities: {}", created.entities.len());
    let relation = Relation { from: "Basel".into(), to: "Rotterdam".into(), relation_type: "Rhine".into() };
    memory::create_relations(&[relation])?;
    let graph = memory::read_graph()?;
    println!("graph: {:?} {:?} {:?}", graph.entities[1].entity_type, graph.entities[1].observations, graph.relations[0].from);

    // Some of the optional fields, in text and as flags.
    let path = format!("{folder}/poem.txt");
    filesystem::write_file(&path, "one\ntwo\nthree\n")?;
    let head = ReadTextFileOptions { head: Some(2.0), tail: None };
    println!("head: {:?}", filesystem::read_text_file(&path, Some(head))?.content);
    let edits = [Edit { old_text: "two".into(), new_text: "2".into() }];
    let diff = filesystem::edit_file(&path, &edits, Some(EditFileOptions { dry_run: Some(true) }))?;
    println!("diff: {}", diff.content.contains("+2"));

    let log = GitLogOptions { max_count: Some(1), start_timestamp: None, end_timestamp: None };
    println!("log: {}", git::git_log(&folder, Some(&log))?.contains("only commit"));

    // Errors: of the tool, and of arguments that JSON cannot express.
    let error = time::get_current_time("Nowhere/Land").expect_err("there is no such zone");
    println!("error: {:?} {}", error.kind, error.message);
    let error = everything::get_sum(f64::NAN, 1.0).expect_err("JSON has no such number");
    println!("error: {:?} {}", error.kind, error.message);
    Ok(())
}
