//! Words that mean the same in the names of tools.
//!
//! Few and general: each group holds for tools of any kind. Groups for one
//! product or trade would only fit the questions we happened to write.

/// Groups of words, spelt as stems.
const GROUPS: &[&[&str]] = &[
    &["creat", "add", "new", "make", "insert"],
    &["delet", "remov", "drop", "eras"],
    &["list", "show", "get", "fetch", "read", "view", "retriev"],
    &["updat", "edit", "chang", "modify", "set"],
    &["search", "find", "query", "look"],
    &["send", "post"],
    &["run", "execut", "start"],
    &["repo", "repository"],
    &["folder", "directory", "dir"],
    &["mail", "email"],
    &["picture", "imag", "photo"],
    &["messag", "msg"],
    &["config", "configuration", "setting"],
    &["database", "db"],
    &["app", "application"],
    &["env", "environment"],
    &["var", "variabl"],
    &["param", "parameter"],
    &["bulk", "multipl", "several", "batch"],
    &["watch", "monitor"],
    &["pr", "pull"],
    &["doc", "document", "documentation"],
    &["user", "person", "people"],
    &["website", "site", "web"],
    &["cancel", "abort"],
    &["move", "transfer"],
];

/// What else may be meant by a word.
pub(super) fn of(word: &str) -> impl Iterator<Item = &'static str> {
    let groups = GROUPS.iter().filter(move |group| group.contains(&word));
    groups.flat_map(|group| group.iter().copied())
}
