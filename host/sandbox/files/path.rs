//! The one reader of guest paths. Every path that a guest names passes
//! through [`Path::parse`], and what it returns is walked name by name by
//! [`super::mount`]; nothing else in this module's tree looks at a path.
//!
//! The rules, written once:
//!
//! - A path is relative to the descriptor it is used with. One that starts
//!   with `/`, or that climbs above its descriptor with `..`, is
//!   `not-permitted`, as the WASI text demands.
//! - At most [`MAX_PATH`] bytes, each name at most [`MAX_NAME`]. Any UTF-8
//!   except NUL is a name; names are compared byte by byte, with no folding
//!   of case and no normalisation, so two names are never one file.
//! - An empty path names nothing. Empty steps and `.` are skipped. `..` is not
//!   resolved here, because what stands before it must exist.
//! - A trailing slash, or a last step of `.`, demands a directory. A path
//!   that ends in `.` or `..` names a directory by where it is, not by its
//!   name, so it cannot be made, removed or renamed that way.

use super::error::Error;

/// The longest path in bytes, as on Linux.
pub(super) const MAX_PATH: usize = 4096;

/// The longest name in bytes, as on Linux.
const MAX_NAME: usize = 255;

/// The name of a directory entry: never empty, `.` or `..`, without `/` and
/// NUL, at most 255 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a>(&'a str);

impl<'a> Name<'a> {
    /// A single name. Refuses everything that is not one.
    pub fn new(name: &'a str) -> Result<Self, Error> {
        match Path::parse(name)?.steps.as_slice() {
            [Step::Enter(only)] if only.0 == name => Ok(*only),
            _ => Err(Error::Invalid),
        }
    }

    /// The name as text.
    pub fn as_str(self) -> &'a str {
        self.0
    }
}

/// One step of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    /// Into the entry of this name.
    Enter(Name<'a>),
    /// To the directory that the walk came from (`..`).
    Leave,
}

/// A path that obeys the rules above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// The steps in order, without those that lead nowhere.
    pub(super) steps: Vec<Step<'a>>,
    /// Whether the path can only mean a directory.
    pub(super) directory: bool,
    /// Whether the path ends in a name, be it followed by slashes.
    pub(super) named: bool,
}

impl<'a> Path<'a> {
    /// Reads a path, or says which rule it breaks.
    pub(super) fn parse(path: &'a str) -> Result<Self, Error> {
        if path.is_empty() {
            return Err(Error::NoEntry);
        }
        if path.len() > MAX_PATH {
            return Err(Error::NameTooLong);
        }
        if path.contains('\0') {
            return Err(Error::Invalid);
        }
        if path.starts_with('/') {
            return Err(Error::NotPermitted);
        }
        let mut steps = Vec::new();
        for name in path.split('/') {
            match name {
                "" | "." => {}
                ".." => steps.push(Step::Leave),
                name if name.len() > MAX_NAME => return Err(Error::NameTooLong),
                name => steps.push(Step::Enter(Name(name))),
            }
        }
        let last = path.trim_end_matches('/').rsplit('/').next();
        let named = !matches!(last, None | Some("" | "." | ".."));
        Ok(Self {
            steps,
            directory: !named || path.ends_with('/'),
            named,
        })
    }

    /// For the host's own files: the names on the way. Refuses `..`.
    pub(super) fn into_names(self) -> Result<Vec<Name<'a>>, Error> {
        let names = self.steps.into_iter().map(|step| match step {
            Step::Enter(name) => Ok(name),
            Step::Leave => Err(Error::NotPermitted),
        });
        names.collect()
    }

    /// The same for a file: the directories on the way and the name of the
    /// file. Refuses paths that mean a directory.
    pub(super) fn into_file(self) -> Result<(Vec<Name<'a>>, Name<'a>), Error> {
        let directory = self.directory;
        let mut names = self.into_names()?;
        match names.pop() {
            Some(last) if !directory => Ok((names, last)),
            _ => Err(Error::IsDirectory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The steps as `a > b > ..`, with a slash at the end where a directory
    /// is demanded, and a dot where it is not named.
    fn shown(path: &str) -> Result<String, Error> {
        let path = Path::parse(path)?;
        let mut steps: Vec<&str> = Vec::new();
        for step in &path.steps {
            steps.push(match step {
                Step::Enter(name) => name.as_str(),
                Step::Leave => "..",
            });
        }
        let end = match (path.directory, path.named) {
            (false, true) => "",
            (true, true) => "/",
            (true, false) => "/.",
            (false, false) => "?",
        };
        Ok(steps.join(" > ") + end)
    }

    #[track_caller]
    fn check(path: &str, expected: Result<&str, Error>) {
        assert_eq!(shown(path), expected.map(str::to_owned), "{path:?}");
    }

    #[test]
    fn reads_paths() {
        check("a", Ok("a"));
        check("a/b", Ok("a > b"));
        check("a//b/./c", Ok("a > b > c"));
        check("a/", Ok("a/"));
        check("a//", Ok("a/"));
        check("a/.", Ok("a/."));
        check("a/.//", Ok("a/."));
        check(".", Ok("/."));
        check("./", Ok("/."));
        check("..", Ok("../."));
        check("a/..", Ok("a > ../."));
        check("a/../b", Ok("a > .. > b"));
        check("...", Ok("..."));
        check("a\\..\\b", Ok("a\\..\\b"));
        check("..%2f..%2f", Ok("..%2f..%2f"));
        check("cafe\u{301}", Ok("cafe\u{301}"));
        check("a\n\u{1b}[31m\u{202e}", Ok("a\n\u{1b}[31m\u{202e}"));
    }

    #[test]
    fn refuses_what_breaks_a_rule() {
        check("", Err(Error::NoEntry));
        check("/", Err(Error::NotPermitted));
        check("/etc/passwd", Err(Error::NotPermitted));
        check("a\0b", Err(Error::Invalid));
    }

    #[test]
    fn lengths_are_exact() {
        assert!(Path::parse(&"n".repeat(255)).is_ok());
        assert_eq!(Path::parse(&"n".repeat(256)), Err(Error::NameTooLong));
        // 128 characters of two bytes each.
        assert_eq!(Path::parse(&"é".repeat(128)), Err(Error::NameTooLong));
        assert!(Path::parse(&"./".repeat(2048)).is_ok());
        let long = "./".repeat(2048) + "a";
        assert_eq!(Path::parse(&long), Err(Error::NameTooLong));
    }

    #[test]
    fn a_name_is_one_step() {
        assert_eq!(Name::new("a b").map(Name::as_str), Ok("a b"));
        for path in [".", "..", "a/", "./a", "a/b", "a/..", "a\0", ""] {
            assert!(Name::new(path).is_err(), "{path:?}");
        }
        assert!(Name::new("/a").is_err());
    }
}
