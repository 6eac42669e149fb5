//! What would have given a program the file that it did not find: programs do
//! not see the files of this machine, and many scripts expect some.

use std::path::{Component, Path, PathBuf};

use wasm_coordinator::ErrorReport;

use super::workspace::relative;

/// What stands before the name of a file in the errors of each language.
const NO_FILE: [&str; 2] = ["No such file or directory", "ENOENT"];
/// The same for modules.
const NO_MODULE: [&str; 3] = ["No module named", "cannot import", "cannot require"];

/// The hint for an error, if it is about a file that is not in the workspace.
/// `folder` is where the script is.
pub(crate) fn hint(error: &ErrorReport, folder: &Path) -> Option<String> {
    if let Some(name) = named(&error.message, &NO_MODULE) {
        let candidates = if name.contains('/') {
            ["", ".js", ".ts", ".mjs"]
                .map(|ending| format!("{name}{ending}"))
                .to_vec()
        } else {
            let path = name.replace('.', "/");
            vec![format!("{path}.py"), path]
        };
        let found = candidates.iter().find_map(|name| beside(folder, name));
        return found.map(|found| flag(&found));
    }
    let name = named(&error.message, &NO_FILE)?;
    if name.starts_with("/servers") || name.starts_with("/skills") {
        return None;
    }
    Some(match beside(folder, name) {
        Some(found) => flag(&found),
        None => "programs see no files of this machine: \
                 `--input FILE` places one in the workspace"
            .to_owned(),
    })
}

fn flag(found: &Path) -> String {
    let input = found.display().to_string();
    let input = if input.contains(|c: char| !c.is_ascii_alphanumeric() && !"-_./=".contains(c)) {
        format!("'{input}'")
    } else {
        input
    };
    format!(
        "programs see no files of this machine; `--input {input}` places this one in the workspace"
    )
}

/// A file in the folder of the script, or below it, as a path for a flag. Nothing
/// is said of files elsewhere: the name is the program's.
fn beside(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = Path::new(relative(name));
    let is_inside = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    let first = path.components().next()?;
    if !is_inside || name.chars().any(char::is_control) || !folder.join(path).exists() {
        return None;
    }
    // A package, or a folder with data, is placed as a whole.
    Some(folder.join(first))
}

/// The text in quotes that follows one of the phrases.
fn named<'m>(message: &'m str, phrases: &[&str]) -> Option<&'m str> {
    let after = phrases.iter().find_map(|phrase| {
        let (_, after) = message.split_once(phrase)?;
        Some(after)
    })?;
    let start = after.find(['\'', '"', '`'])?;
    let quote = after[start..].chars().next()?;
    let rest = &after[start + 1..];
    let name = &rest[..rest.find(quote)?];
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_was_meant_is_found_beside_the_script() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["data.csv", "helper.py", "f2.js", "a b.txt"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        std::fs::create_dir_all(folder.path().join("package/part")).unwrap();
        let check = |message: &str, expected: Option<&str>| {
            let error = ErrorReport {
                message: message.to_owned(),
                ..ErrorReport::default()
            };
            let here = folder.path().display().to_string();
            let hint = hint(&error, folder.path()).map(|hint| hint.replace(&here, "."));
            let input = hint.as_deref().and_then(|hint| {
                let (_, rest) = hint.split_once("`--input ")?;
                Some(rest.split_once('`')?.0)
            });
            assert_eq!(input, expected, "{message}");
        };
        let general = Some("FILE");
        check(
            "[Errno 44] No such file or directory: 'data.csv'",
            Some("./data.csv"),
        );
        check(
            "[Errno 44] No such file or directory: '/workspace/data.csv'",
            Some("./data.csv"),
        );
        check(
            "ENOENT: no such file or directory, open '/workspace/a b.txt'",
            Some("'./a b.txt'"),
        );
        check(
            "No module named 'helper': the sandbox has `servers`",
            Some("./helper.py"),
        );
        check("No module named 'package.part'", Some("./package"));
        check(
            "cannot import `./f2`: there is no file `/workspace/f2`",
            Some("./f2.js"),
        );
        check(
            "cannot require `./f2.js`: there is no file `/workspace/f2.js`",
            Some("./f2.js"),
        );
        check("No module named 'numpy'", None);
        check("No such file or directory: '../data.csv'", general);
        check("No such file or directory: '/etc/passwd'", general);
        check("No such file or directory: '/servers/x'", None);
        check("No such file or directory: 'nowhere'", general);
        check("No such file or directory", None);
        check("division by zero", None);
    }
}
