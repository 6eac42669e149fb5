//! What the documents name exists: files, headings, paths of the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::root;
use crate::tidy::files;

/// All documents but the changelog, which also names what is gone.
fn documents() -> Vec<PathBuf> {
    let mut documents = files(root(), "md");
    documents.retain(|path| !path.ends_with("CHANGELOG.md"));
    assert!(documents.len() > 10, "{documents:?}");
    documents
}

/// A document in the three parts that matter here.
#[derive(Default)]
struct Document {
    /// The addresses of links, `[text](address)`.
    links: Vec<String>,
    /// What stands between backticks.
    code: Vec<String>,
    /// The anchors of the headings.
    anchors: BTreeSet<String>,
}

impl Document {
    /// Blocks of code are left out.
    fn parse(text: &str) -> Self {
        let mut document = Self::default();
        let mut prose = String::new();
        let mut fenced = false;
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if fenced || line.starts_with("    ") {
                continue;
            } else if line.starts_with('#') {
                let anchor = anchor(line.trim_start_matches('#'));
                let taken = document.anchors.iter();
                let twice = taken.filter(|other| other.starts_with(&anchor)).count();
                let anchor = if twice > 0 && document.anchors.contains(&anchor) {
                    format!("{anchor}-{twice}")
                } else {
                    anchor
                };
                document.anchors.insert(anchor);
            }
            // Links and code may go on in the next line.
            prose += line;
            prose.push(' ');
        }
        for (at, part) in prose.split('`').enumerate() {
            if at % 2 == 1 {
                document.code.push(part.to_owned());
            }
        }
        let addresses = prose.split("](").skip(1);
        let addresses = addresses.filter_map(|rest| rest.split_once(')'));
        document.links = addresses.map(|(address, _)| address.to_owned()).collect();
        document
    }

    fn read(path: &Path) -> Self {
        Self::parse(&fs::read_to_string(path).unwrap())
    }
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let heading = heading.trim().to_lowercase();
    let kept = |letter: &char| letter.is_alphanumeric() || "-_ ".contains(*letter);
    heading
        .chars()
        .filter(kept)
        .collect::<String>()
        .replace(' ', "-")
}

/// Why a link leads nowhere.
fn broken(document: &Path, link: &str) -> Option<String> {
    if link.contains("://") {
        return None; // Nothing outside is asked.
    }
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        document.to_owned()
    } else {
        document.parent().unwrap().join(path)
    };
    let name = document.strip_prefix(root()).unwrap_or(document).display();
    if !target.exists() {
        Some(format!("{name} links to {path}, which does not exist"))
    } else if !anchor.is_empty() && !Document::read(&target).anchors.contains(anchor) {
        Some(format!("{name} links to {link}: no such heading"))
    } else {
        None
    }
}

/// Whether something in backticks is meant to be a path of the repository: its
/// first part is a folder at the root, or beside the document.
fn is_path(document: &Path, code: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./".contains(letter);
    let Some((first, _)) = code.split_once('/') else {
        return false;
    };
    let of_ours = |folder: &Path| !first.starts_with('.') && folder.join(first).is_dir();
    code.chars().all(plain)
        && !first.is_empty()
        && first != "target"
        && (of_ours(root()) || of_ours(document.parent().unwrap()))
}

#[test]
fn every_link_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut links = 0;
    for path in documents() {
        let document = Document::read(&path);
        links += document.links.len();
        wrong.extend(document.links.iter().filter_map(|link| broken(&path, link)));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(links > 20, "{links} links were found");
}

#[test]
fn every_path_that_is_named_exists() {
    let mut wrong = Vec::new();
    let mut paths = 0;
    for path in documents() {
        for code in Document::read(&path).code {
            if !is_path(&path, &code) {
                continue;
            }
            paths += 1;
            let folder = path.parent().unwrap();
            if !root().join(&code).exists() && !folder.join(&code).exists() {
                wrong.push(format!("{} names {code}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(paths > 20, "{paths} paths were found");
}

/// Comments send readers to documents.
#[test]
fn every_document_that_a_comment_names_exists() {
    let mut wrong = Vec::new();
    for extension in ["rs", "py", "js", "wit", "toml"] {
        for path in files(root(), extension) {
            if path.ends_with(file!()) {
                continue; // It names some that do not exist.
            }
            let text = fs::read_to_string(&path).unwrap();
            for rest in text.split("docs/").skip(1) {
                let end =
                    rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
                let (name, rest) = rest.split_at(end.unwrap_or(rest.len()));
                let document = root().join("docs").join(format!("{name}.md"));
                if rest.starts_with(".md") && !document.exists() {
                    wrong.push(format!("{} names docs/{name}.md", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_index_lists_every_document() {
    let index = root().join("docs/README.md");
    let listed: BTreeSet<_> = Document::read(&index).links.into_iter().collect();
    for path in files(&root().join("docs"), "md") {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name == "README.md" || listed.contains(name), "{name}");
    }
}

/// What stands before the colons is a module of this program, or a path.
#[test]
fn every_security_test_that_is_listed_exists() {
    let document = root().join("docs/security-tests.md");
    let mut wrong = Vec::new();
    let mut tests = 0;
    for code in Document::read(&document).code {
        let Some((place, name)) = code.split_once("::") else {
            continue;
        };
        tests += 1;
        let path = match place.ends_with(".rs") {
            true => root().join(place),
            false => root().join(format!("tests/all/{place}.rs")),
        };
        if !is_test(&fs::read_to_string(path).unwrap_or_default(), name) {
            wrong.push(code);
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(tests > 150, "{tests} tests are listed");
    // And what is no test is not taken for one.
    let text = "#[test]\nfn one() {}\n\nfn two() {}";
    assert!(is_test(text, "one") && !is_test(text, "two") && !is_test(text, "on"));
}

/// Whether a function of this name is marked as a test.
fn is_test(source: &str, name: &str) -> bool {
    let Some((before, _)) = source.split_once(&format!("fn {name}(")) else {
        return false;
    };
    let mut marks = before.lines().rev().take_while(|line| !line.is_empty());
    marks.any(|line| line.trim().starts_with("#[") && line.contains("test"))
}

/// The checks above find what is wrong, and only that.
#[test]
fn a_broken_link_is_found() {
    let document = root().join("docs/example.md");
    let text = "# Two `words`, here\n\n# Twice\n\n# Twice\n\n```\n[no](no)\n```\n\
                [a](README.md) [b](serve.md#sessions) [c](https://example.com)\n\
                [d](gone.md) [e](serve.md#gone) `tests/run` `docs/gone.md` `a/b`";
    let parsed = Document::parse(text);
    let anchors: Vec<_> = parsed.anchors.iter().map(String::as_str).collect();
    assert_eq!(anchors, ["twice", "twice-1", "two-words-here"]);
    let wrong: Vec<_> = parsed
        .links
        .iter()
        .filter_map(|link| broken(&document, link))
        .collect();
    assert_eq!(
        wrong,
        [
            "docs/example.md links to gone.md, which does not exist",
            "docs/example.md links to serve.md#gone: no such heading",
        ]
    );
    let paths: Vec<_> = parsed
        .code
        .iter()
        .filter(|code| is_path(&document, code))
        .collect();
    assert_eq!(paths, ["tests/run", "docs/gone.md"]);
}
