use proptest::prelude::*;

use super::*;

fn tool<'a>(server: &'a str, name: &'a str, description: &'a str) -> Document<'a> {
    Document {
        server,
        identifier: server,
        name,
        description,
        ..Default::default()
    }
}

fn some_tools() -> Vec<Document<'static>> {
    let mut tools = vec![
        tool(
            "github",
            "create_issue",
            "Opens a new issue in a repository",
        ),
        tool(
            "github",
            "list_issues",
            "The issues of a repository, newest first",
        ),
        tool("github", "create_issue_comment", "Comments on an issue"),
        tool(
            "github",
            "get_file_contents",
            "Contents of a file in a repository",
        ),
        tool("my-files", "read_file", "Reads a file"),
        tool(
            "my-files",
            "write_file",
            "Writes a file. Never creates an issue.",
        ),
        tool("shop", "search", "Finds articles in the catalogue"),
        tool("archive", "search", "Finds old documents"),
    ];
    tools[4].parameters = vec![
        ("path", "Where the file is"),
        ("encoding", "utf-8 or base64"),
    ];
    tools
}

fn found(text: &str) -> Vec<usize> {
    found_at(text, None)
}

fn found_at(text: &str, server: Option<&str>) -> Vec<usize> {
    let index = Index::new(some_tools());
    let query = Query {
        text,
        server,
        limit: 10,
    };
    index
        .search(&query)
        .hits
        .iter()
        .map(|hit| hit.document)
        .collect()
}

#[test]
fn words_are_found_in_every_part_of_a_tool() {
    assert_eq!(found("comment issue")[0], 2);
    assert_eq!(found("catalogue"), [6]);
    assert_eq!(found("base64"), [4]);
    assert_eq!(found("encoding"), [4]);
    assert_eq!(found("archive")[0], 7);
}

#[test]
fn a_name_counts_more_than_a_description() {
    assert_eq!(found("create issue")[0], 0);
    assert_eq!(found("createIssue")[0], 0);
    assert_eq!(found("creating issues")[0], 0);
    assert!(found("create issue").contains(&5));
}

#[test]
fn a_misspelt_word_finds_what_was_meant() {
    assert_eq!(found("crate isue")[0], 0);
    assert_eq!(found("catalgoue"), [6]);
    assert_eq!(found("repo").len(), 3);
    assert!(found("qqqqq").is_empty());
}

#[test]
fn a_tool_named_in_full_comes_first() {
    for (text, first) in [
        ("search", 6),
        ("archive.search", 7),
        ("archive__search", 7),
        ("my_files.readFile", 4),
        ("list_issues", 1),
        ("ListIssues", 1),
    ] {
        assert_eq!(found(text)[0], first, "{text}");
    }
}

#[test]
fn nothing_asked_lists_everything_in_order() {
    assert_eq!(found(""), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(found("  \n"), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(found_at("", Some("my-files")), [4, 5]);
}

#[test]
fn only_tools_of_the_server_are_found() {
    for server in ["my-files", "my_files", "MyFiles"] {
        assert_eq!(found_at("issue file", Some(server)), [5, 4], "{server}");
    }
    assert!(found_at("issue", Some("nobody")).is_empty());
    assert!(found_at("", Some("nobody")).is_empty());
    assert!(found_at("issue", Some("")).is_empty());
}

#[test]
fn the_limit_cuts_and_the_total_counts() {
    let index = Index::new(some_tools());
    let ask = |text, limit| {
        index.search(&Query {
            text,
            server: None,
            limit,
        })
    };
    assert_eq!(ask("", 3).hits.len(), 3);
    assert_eq!(ask("", 3).total, 8);
    assert_eq!(ask("issue", 1).hits.len(), 1);
    assert_eq!(ask("issue", 1).total, 4);
    assert_eq!(ask("issue", 0).hits.len(), 1);
    let many: Vec<_> = (0..500).map(|number| format!("tool_{number}")).collect();
    let index = Index::new(many.iter().map(|name| tool("many", name, "")));
    let found = index.search(&Query {
        text: "tool",
        server: None,
        limit: usize::MAX,
    });
    assert_eq!((found.hits.len(), found.total), (MAX_HITS, 500));
}

#[test]
fn who_finds_nothing_is_told_what_there_is() {
    let index = Index::new(some_tools());
    let instead = |text, server| {
        index.instead(&Query {
            text,
            server,
            limit: 10,
        })
    };
    assert_eq!(
        instead("qqqqq", None),
        "nothing fits `qqqqq`; there are 4 tools of `github`, 2 tools of `my-files`, 1 tools of `shop` and 1 tools of `archive`"
    );
    assert_eq!(
        instead("issue", Some("shop")),
        "none of the 1 tools of `shop` fits `issue`; 4 of other servers may"
    );
    assert_eq!(
        instead("qqqqq", Some("shop")),
        "none of the 1 tools of `shop` fits `qqqqq`, and none of any other server"
    );
    assert!(
        instead("issue", Some("nobody"))
            .starts_with("there is no server `nobody`; there are 4 tools of")
    );
    assert_eq!(
        Index::new([]).instead(&Query {
            text: "a",
            server: None,
            limit: 1
        }),
        "nothing fits `a`; there are no tools"
    );
    let many: Vec<_> = (0..1_000)
        .map(|number| format!("{number}\u{1b}[31m`").repeat(50))
        .collect();
    let index = Index::new(many.iter().map(|server| tool(server, "a", "")));
    let text = index.instead(&Query {
        text: &"\n".repeat(1_000),
        server: Some("x"),
        limit: 1,
    });
    assert!(
        text.len() < 4_000 && !text.contains(char::is_control),
        "{text}"
    );
}

#[test]
fn what_is_too_much_is_cut() {
    let long = "word ".repeat(1 << 20);
    let name = "name".repeat(1 << 18);
    let parameters: Vec<_> = (0..100_000)
        .map(|_| (name.get(..900).unwrap_or(""), &*long))
        .collect();
    let huge = Document {
        server: &name,
        identifier: &name,
        name: &name,
        title: &long,
        description: &long,
        parameters,
    };
    let index = Index::new([huge, tool("small", "word", "")]);
    let ask = |text| {
        index.search(&Query {
            text,
            server: None,
            limit: 10,
        })
    };
    assert_eq!(ask(&long).total, 2);
    // However often a word is said, it counts less than twice. (`the` keeps
    // this from being the name of the second tool.)
    let found = ask("the word");
    let score = |document| {
        found
            .hits
            .iter()
            .find(|hit| hit.document == document)
            .unwrap()
            .score
    };
    assert!(score(0) < 2.0 * score(1), "{found:?}");
}

proptest! {
    #[test]
    fn any_text_is_answered(
        tools in prop::collection::vec((".{0,12}", ".{0,30}", ".{0,200}", ".{0,20}"), 0..20),
        text in ".{0,200}",
        server in prop::option::of(".{0,12}"),
        limit in 0usize..200,
    ) {
        let documents = tools.iter().map(|(server, name, description, parameter)| Document {
            server, identifier: server, name, title: parameter, description,
            parameters: vec![(parameter, description)],
        });
        let index = Index::new(documents);
        let query = Query { text: &text, server: server.as_deref(), limit };
        let found = index.search(&query);
        prop_assert!(found.hits.len() <= found.total);
        prop_assert!(found.hits.iter().all(|hit| hit.document < tools.len() && hit.score.is_finite()));
        prop_assert!(found.hits.windows(2).all(|pair| pair[0].score >= pair[1].score));
        prop_assert_eq!(index.search(&query), found);
        index.instead(&query);
    }

    #[test]
    fn every_tool_is_found_first_by_its_own_name(
        names in prop::collection::btree_set("[a-zA-Z][a-zA-Z0-9_./-]{0,30}", 1..30),
    ) {
        let names: Vec<_> = names.into_iter().collect();
        let index = Index::new(names.iter().map(|name| tool("server", name, "does what the others do")));
        for (number, name) in names.iter().enumerate() {
            for text in [name.clone(), format!("server.{name}")] {
                let found = index.search(&Query { text: &text, server: None, limit: 1 });
                prop_assert_eq!(found.hits[0].document, number, "{}", text);
            }
        }
    }
}
