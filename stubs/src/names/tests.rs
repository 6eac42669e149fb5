use proptest::prelude::*;

use super::*;

fn python(name: &str) -> String {
    tool_names([name]).remove(0).python
}

fn javascript(name: &str) -> String {
    tool_names([name]).remove(0).javascript
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && text.len() <= MAX_NAME
}

#[test]
fn reserved_lists_are_sorted() {
    assert!(PYTHON.is_sorted());
    assert!(JAVASCRIPT.is_sorted());
}

#[test]
fn ordinary_names_stay_as_they_are() {
    for name in ["list_issues", "echo", "base64encode", "read_file2"] {
        assert_eq!(python(name), name);
    }
    for name in ["listIssues", "echo", "readFile2"] {
        assert_eq!(javascript(name), name);
    }
}

#[test]
fn words_are_found_in_every_spelling() {
    for name in [
        "get_http_page",
        "get-http-page",
        "getHttpPage",
        "get.HTTPPage",
        "GetHTTPPage",
    ] {
        assert_eq!(python(name), "get_http_page", "{name}");
        assert_eq!(javascript(name), "getHttpPage", "{name}");
    }
}

#[test]
fn keywords_and_names_the_languages_call_by_themselves_are_suffixed() {
    for name in ["class", "match", "print", "await", "type", "import"] {
        assert_eq!(python(name), format!("{name}_"));
    }
    assert_eq!(python("None"), "none");
    for name in [
        "default",
        "enum",
        "arguments",
        "eval",
        "constructor",
        "prototype",
        "then",
    ] {
        assert_eq!(javascript(name), format!("{name}_"));
    }
    assert_eq!(javascript("toString"), "toString_");
    assert_eq!(javascript("__proto__"), "proto_");
    assert_eq!(python("__init__"), "init");
    assert_eq!(server_identifier("then"), "then_");
}

#[test]
fn paths_and_rubbish_become_plain_identifiers() {
    assert_eq!(python("../../x"), "x");
    assert_eq!(python("/abs"), "abs");
    assert_eq!(server_identifier("a\\b"), "a_b");
    assert!(python("..").starts_with("tool_"));
    assert!(server_identifier("天气").starts_with("server_"));
    assert_ne!(server_identifier("天气"), server_identifier("地图"));
    assert_eq!(python("2fa"), "_2fa");
}

#[test]
fn tools_with_the_same_words_are_told_apart_by_a_digest_of_their_names() {
    let names = tool_names(["a.b", "a_b", "a-b", "A_B"]);
    assert_eq!(names[1].python, "a_b");
    for (index, raw) in [(0, "a.b"), (2, "a-b"), (3, "A_B")] {
        let expected = format!("a_b_{}", &digest(raw)[..6]);
        assert_eq!(names[index].python, expected);
    }
    let reversed = tool_names(["A_B", "a-b", "a_b", "a.b"]);
    assert!(names.iter().eq(reversed.iter().rev()), "order matters");
}

#[test]
fn a_digest_that_is_taken_is_made_longer() {
    let digest = digest("a.b");
    let squatter = format!("a_b_{}", &digest[..6]);
    let names = tool_names(["a.b", "a_b", squatter.as_str()]);
    assert_eq!(names[2].python, squatter);
    assert_eq!(names[0].python, format!("a_b_{}", &digest[..7]));
}

#[test]
fn servers_that_would_be_one_module_are_refused_with_both_names() {
    let error = server_identifiers(["git-hub", "time", "git_hub"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "servers `git-hub` and `git_hub` would both be the module `git_hub`; rename one of them"
    );
    assert_eq!(
        server_identifiers(["git", "time"]).unwrap(),
        ["git", "time"]
    );
}

#[test]
fn parameters_keep_their_spelling_where_python_can_take_it() {
    let names = [
        "ownerName",
        "class",
        "x-y",
        "__class__",
        "self",
        "timeout",
        "_private",
        "1st",
    ];
    let expected = [
        "ownerName",
        "class_",
        "x_y",
        "class_",
        "self",
        "timeout",
        "_private",
        "_1st",
    ];
    for (name, expected) in names.into_iter().zip(expected) {
        assert_eq!(parameter_identifiers([name]), [expected]);
    }
    let both = parameter_identifiers(["x-y", "x_y"]);
    assert_eq!(both[1], "x_y");
    assert!(both[0].starts_with("x_y_"));
}

#[test]
fn suggestions_are_close_few_and_in_order() {
    let tools = [
        "list_issues",
        "list_issue_events",
        "get_issue",
        "create_branch",
    ];
    assert_eq!(nearest("list_isues", tools), ["list_issues"]);
    assert_eq!(nearest("ListIssues", tools), ["list_issues"]);
    assert_eq!(
        nearest("issue", tools),
        ["get_issue", "list_issues", "list_issue_events"]
    );
    assert!(nearest("zzz", tools).is_empty());
    assert!(nearest("", tools).is_empty());
}

fn hostile_name() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-cA-C_.\\-]{0,6}",
        "_{0,2}(then|class|constructor|init|proto|é|1)_{0,2}",
        ".{60,90}",
    ]
}

proptest! {
    #[test]
    fn every_name_has_a_usable_identifier(name in hostile_name()) {
        let names = tool_names([name.as_str()]).remove(0);
        let parameter = parameter_identifiers([name.as_str()]).remove(0);
        let server = server_identifier(&name);
        for identifier in [&names.python, &parameter, &server] {
            prop_assert!(is_identifier(identifier), "{identifier}");
            prop_assert!(!is_reserved_in_python(identifier));
            prop_assert!(!identifier.starts_with("__"));
        }
        for identifier in [&names.javascript, &server] {
            prop_assert!(is_identifier(identifier), "{identifier}");
            prop_assert!(!is_reserved_in_javascript(identifier));
        }
    }

    #[test]
    fn tools_of_a_server_have_different_names_in_any_order(
        names in prop::collection::btree_set(hostile_name(), 0..20)
    ) {
        let forward = tool_names(names.iter().map(String::as_str));
        let mut backward = tool_names(names.iter().rev().map(String::as_str));
        backward.reverse();
        prop_assert_eq!(&forward, &backward);
        for pick in [|n: &ToolNames| n.python.clone(), |n: &ToolNames| n.javascript.clone()] {
            let distinct: BTreeSet<_> = forward.iter().map(pick).collect();
            prop_assert_eq!(distinct.len(), names.len());
        }
        let parameters = parameter_identifiers(names.iter().map(String::as_str));
        let distinct: BTreeSet<_> = parameters.iter().collect();
        prop_assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn a_name_is_nearest_to_itself(name in "[a-z]{1,20}(_[a-z]{1,9}){0,3}") {
        prop_assert_eq!(nearest(&name, [name.as_str(), "other_thing"])[0], name.as_str());
    }
}
