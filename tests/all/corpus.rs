//! The corpus of real tool definitions is what it says.

use std::collections::HashSet;

use crate::harness::corpus;

#[test]
fn every_recorded_tool_has_a_name_of_its_own_and_a_schema() {
    for recorded in corpus() {
        let mut names = HashSet::new();
        for tool in &recorded.tools {
            let name = tool["name"].as_str().expect("a tool has a name");
            assert!(names.insert(name), "{}.{name} twice", recorded.server);
            let schema = &tool["inputSchema"];
            assert!(schema.is_object(), "{}.{name}: {schema}", recorded.server);
        }
    }
    let tools: usize = corpus().iter().map(|recorded| recorded.tools.len()).sum();
    println!("{tools} tools of {} servers", corpus().len());
}
