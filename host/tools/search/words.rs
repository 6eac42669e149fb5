//! Text as words, the same way for what is searched and for what is asked.
//!
//! A word is a run of letters and digits in lower case, cut to its stem, so
//! that `creating`, `creates` and `create` are one. Names are split where
//! their capitals say so. Knows nothing of tools.

/// The longest word in bytes. What is longer is cut: nobody types it.
pub(super) const MAX_WORD: usize = 40;

/// The words of a name: `createPullRequest`, `create_pull_request`,
/// `list-HTTPServers2`.
pub(super) fn of_name(text: &str, mut found: impl FnMut(&str)) {
    let mut word = String::with_capacity(MAX_WORD);
    for run in runs(text) {
        for part in parts(run) {
            found(normal(part, &mut word));
        }
    }
}

/// The words of a sentence. `GitHub` and `PostgreSQL` are one word each there;
/// `camelCase` is taken for the name it is and gives its parts, too.
pub(super) fn of_text(text: &str, mut found: impl FnMut(&str)) {
    let mut word = String::with_capacity(MAX_WORD);
    for run in runs(text) {
        let is_name = run.starts_with(|first: char| first.is_lowercase())
            && run.contains(|letter: char| letter.is_uppercase());
        let is_joined = run.is_ascii() || !run.contains(is_ideograph);
        if is_joined {
            found(normal(run, &mut word));
        }
        if is_name || !is_joined {
            for part in parts(run) {
                found(normal(part, &mut word));
            }
        }
    }
}

fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .filter(|run| !run.is_empty())
}

/// Splits `createPR` into `create` and `PR`, `HTTPServer` into `HTTP` and
/// `Server`, and a text without spaces between its words into its characters.
fn parts(run: &str) -> impl Iterator<Item = &str> {
    let mut rest = run;
    std::iter::from_fn(move || {
        let mut letters = rest.char_indices();
        let (_, mut before) = letters.next()?;
        let mut end = rest.len();
        while let Some((at, letter)) = letters.next() {
            let next = letters.clone().next().map(|(_, next)| next);
            let is_start = if letter.is_uppercase() {
                !before.is_uppercase() || next.is_some_and(char::is_lowercase)
            } else {
                is_ideograph(letter) || is_ideograph(before)
            };
            if is_start {
                end = at;
                break;
            }
            before = letter;
        }
        let (part, left) = rest.split_at(end);
        rest = left;
        Some(part)
    })
}

/// Kana, ideographs, Hangul: written without spaces, or with endings joined.
fn is_ideograph(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{20000}'..='\u{3ffff}')
}

/// Lower case, not too long, and only the stem.
fn normal<'w>(run: &str, word: &'w mut String) -> &'w str {
    word.clear();
    if run.is_ascii() {
        word.push_str(&run[..run.len().min(MAX_WORD)]);
        word.make_ascii_lowercase();
    } else {
        for letter in run.chars().flat_map(char::to_lowercase) {
            if word.len() + letter.len_utf8() > MAX_WORD {
                break;
            }
            word.push(letter);
        }
    }
    cut_to_stem(word);
    word
}

/// Takes English endings off, roughly: what matters is that the forms of one
/// word meet, not that the stem is a word.
fn cut_to_stem(word: &mut String) {
    if word.len() < 4 || !word.bytes().all(|letter| letter.is_ascii_lowercase()) {
        return;
    }
    if word == "indices" {
        *word = "index".to_owned();
        return;
    }
    if word.ends_with("ies") && word.len() > 4 {
        word.truncate(word.len() - 3);
        word.push('y');
    } else if ["sses", "shes", "ches", "xes"]
        .iter()
        .any(|ending| word.ends_with(ending))
    {
        word.truncate(word.len() - 2);
    } else if word.ends_with('s')
        && !["ss", "us", "is"]
            .iter()
            .any(|ending| word.ends_with(ending))
    {
        word.pop();
    }
    for ending in ["ing", "ed"] {
        let Some(rest) = word.strip_suffix(ending) else {
            continue;
        };
        if rest.len() < 3 || !rest.contains(['a', 'e', 'i', 'o', 'u', 'y']) {
            continue;
        }
        let length = rest.len();
        word.truncate(length);
        let letters = word.as_bytes();
        let is_double = letters[length - 1] == letters[length - 2];
        if is_double && !matches!(letters[length - 1], b'l' | b's' | b'z') {
            word.pop();
        }
        break;
    }
    if word.ends_with("ability") {
        word.truncate(word.len() - "ility".len());
        word.push('l');
    }
    if word.len() > 3 && word.ends_with('e') {
        word.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        of_name(text, |word| words.push(word.to_owned()));
        words
    }

    fn texts(text: &str) -> Vec<String> {
        let mut words = Vec::new();
        of_text(text, |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn a_name_is_split_where_its_spelling_says_so() {
        for (name, expected) in [
            (
                "create_pull_request",
                &["creat", "pull", "request"] as &[&str],
            ),
            ("createPullRequest", &["creat", "pull", "request"]),
            ("create-pull.request", &["creat", "pull", "request"]),
            ("HTTPServerError", &["http", "server", "error"]),
            ("listV2Objects", &["list", "v2", "object"]),
            ("getÜbersicht", &["get", "übersicht"]),
            ("检索文件", &["检", "索", "文", "件"]),
            ("__", &[]),
            ("", &[]),
        ] {
            assert_eq!(names(name), expected, "{name}");
        }
    }

    #[test]
    fn a_sentence_keeps_the_names_of_products_in_one_piece() {
        let words = texts("Lists GitHub's `pullRequests` (PostgreSQL).");
        let expected = [
            "list",
            "github",
            "s",
            "pullrequest",
            "pull",
            "request",
            "postgresql",
        ];
        assert_eq!(words, expected);
        assert_eq!(texts("使用GitHub"), ["使", "用", "git", "hub"]);
    }

    #[test]
    fn the_forms_of_a_word_meet() {
        for forms in [
            &["create", "creates", "creating", "created"] as &[&str],
            &["query", "queries"],
            &["list", "lists", "listing", "listed"],
            &["run", "runs", "running"],
            &["status", "statuses"],
            &["box", "boxes"],
            &["branch", "branches"],
            &["index", "indexes", "indices"],
            &["delete", "deleted", "deleting"],
        ] {
            let stems: Vec<_> = forms.iter().map(|form| names(form)).collect();
            assert!(
                stems.iter().all(|stem| *stem == stems[0]),
                "{forms:?}: {stems:?}"
            );
        }
        for kept in [
            "issue", "class", "string", "need", "status", "analysis", "ping", "aws",
        ] {
            assert!(
                kept.starts_with(&names(kept)[0]),
                "{kept}: {:?}",
                names(kept)
            );
        }
        assert_ne!(names("string"), names("str"));
        assert_ne!(names("ping"), names("p"));
    }

    #[test]
    fn a_word_is_cut_between_characters() {
        let long = "ß".repeat(1_000);
        assert_eq!(names(&long), ["ß".repeat(MAX_WORD / 2)]);
        assert!(
            texts(&"İ".repeat(1_000))
                .iter()
                .all(|word| word.len() <= MAX_WORD)
        );
    }
}
