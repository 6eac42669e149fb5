//! What is said about a program before it runs, from its text alone.
//!
//! Advice guards nothing: a program can do whatever its text does not show. What
//! a program may do is decided where it does it, by the sandbox and by the
//! policy on tools.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hint::Hint;
use crate::outcome::Position;
use crate::text::{cut, quoted};

/// What is said about programs before they run.
///
/// ```
/// use wasm_coordinator_contract::advice::{Advice, AdviceMode};
///
/// let advice = Advice {
///     mode: AdviceMode::Warn,
///     denied_modules: vec!["ctypes".parse()?],
///     ..Advice::default()
/// };
/// # Ok::<(), wasm_coordinator_contract::advice::BadModulePattern>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// Whether anything is said, and whether a program about which something
    /// would be said is run. [`AdviceMode::Off`] by default, which costs
    /// nothing.
    pub mode: AdviceMode,
    /// If there are any, other modules are advised against. Tools are always
    /// among them: the policy on tools is about those.
    pub allowed_modules: Option<Vec<ModulePattern>>,
    /// These modules are advised against, allowed or not.
    pub denied_modules: Vec<ModulePattern>,
    /// Nothing is said about these constructs. All others are advised against.
    pub allowed_constructs: Vec<Construct>,
}

/// What advice does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdviceMode {
    /// No program is looked at.
    #[default]
    Off,
    /// What is advised against is a warning in the report.
    Warn,
    /// A program with something that is advised against does not run.
    Refuse,
}

impl AdviceMode {
    /// Each with its name in configuration and flags.
    pub const ALL: [(&str, Self); 3] = [
        ("off", Self::Off),
        ("warn", Self::Warn),
        ("refuse", Self::Refuse),
    ];
}

/// A pattern for names of modules and what is in them: `os` means `os`,
/// `os.path` and `os.system`; `os.path` means less. `*` stands for any text.
/// Modules of Node are meant with and without `node:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ModulePattern(String);

/// Bytes of a pattern: no module has a longer name.
const MAX_PATTERN: usize = 200;

impl ModulePattern {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a name is meant, or something that it is in.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (bare(&self.0), bare(name));
        let ends = name.match_indices(['.', '/']).map(|(at, _)| at);
        ends.chain([name.len()])
            .any(|end| matches(pattern.as_bytes(), &name.as_bytes()[..end]))
    }
}

/// The name of a module without what says that it is one of Node.
fn bare(name: &str) -> &str {
    name.strip_prefix("node:").unwrap_or(name)
}

/// Whether a pattern, in which `*` is any text, is the whole of a name.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last `*` stands, and what it has taken so far.
    let mut star = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            (p, n) = (p + 1, n + 1);
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&rest| rest == b'*')
}

impl FromStr for ModulePattern {
    type Err = BadModulePattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_odd = |c: char| c.is_whitespace() || c.is_control() || "{}[]?\\,'\"`".contains(c);
        match text.chars().find(|&c| is_odd(c)) {
            _ if text.is_empty() || text.len() > MAX_PATTERN => {
                Err(BadModulePattern(format!("a text of {} bytes", text.len())))
            }
            Some(odd) => Err(BadModulePattern(format!(
                "{}, which has {}",
                quoted(text),
                quoted(odd.encode_utf8(&mut [0; 4]))
            ))),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl TryFrom<String> for ModulePattern {
    type Error = BadModulePattern;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<ModulePattern> for String {
    fn from(pattern: ModulePattern) -> Self {
        pattern.0
    }
}

/// A text that is no pattern for modules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a pattern for modules looks like `os`, `urllib.*` or `node:fs`, not like {0}")]
pub struct BadModulePattern(String);

/// Something that a program does, in whatever words, and that is worth a word
/// before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Construct {
    /// It starts a process or a thread.
    Processes,
    /// It opens a connection.
    Network,
    /// It loads native code.
    NativeCode,
    /// It runs code that is made at run time.
    DynamicCode,
    /// It imports a module whose name is made at run time.
    DynamicImport,
    /// It loads values in a form that runs code (`pickle`).
    Unpickling,
    /// It writes below `/servers`, where nothing can be written.
    ServersFiles,
    /// It has a loop that nothing ends.
    EndlessLoop,
    /// Its text is too long to be looked at.
    LongText,
}

impl Construct {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Processes,
        Self::Network,
        Self::NativeCode,
        Self::DynamicCode,
        Self::DynamicImport,
        Self::Unpickling,
        Self::ServersFiles,
        Self::EndlessLoop,
        Self::LongText,
    ];

    /// Its name in configuration and flags.
    pub fn name(self) -> &'static str {
        match self {
            Self::Processes => "processes",
            Self::Network => "network",
            Self::NativeCode => "native-code",
            Self::DynamicCode => "dynamic-code",
            Self::DynamicImport => "dynamic-import",
            Self::Unpickling => "unpickling",
            Self::ServersFiles => "servers-files",
            Self::EndlessLoop => "endless-loop",
            Self::LongText => "long-text",
        }
    }

    /// What is said of it, after the name that stands in the program.
    fn says(self) -> &'static str {
        match self {
            Self::Processes => {
                "starts a process or a thread, and the sandbox has neither: run coroutines at the \
                 same time, or call a tool of a server"
            }
            Self::Network => "needs the network, and the sandbox has none: call a tool of a server",
            Self::NativeCode => "loads native code, and the sandbox runs none",
            Self::DynamicCode => {
                "runs code that is made at run time, which nobody can look at before"
            }
            Self::DynamicImport => {
                "imports a module whose name is made at run time, which nobody can look at before"
            }
            Self::Unpickling => {
                "runs whatever code the data names: use JSON for data that comes from outside"
            }
            Self::ServersFiles => {
                "writes below `/servers`, which is there to be read: write below `/workspace`"
            }
            Self::EndlessLoop => {
                "goes on until the time limit ends the program: nothing ends this loop"
            }
            Self::LongText => "is too long to be looked at",
        }
    }
}

impl FromStr for Construct {
    type Err = UnknownConstruct;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|each| each.name() == text);
        found.ok_or_else(|| UnknownConstruct(text.to_owned()))
    }
}

/// A text that names no construct.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no construct {}", quoted(.0))]
pub struct UnknownConstruct(String);

/// Something in a program that is advised against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What stands in the program, with aliases replaced: `os.system`.
    pub name: String,
    /// Why it is advised against.
    pub reason: Reason,
    /// Where it stands, unless all of the text is meant.
    pub position: Option<Position>,
}

/// Why something is advised against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// It matches this pattern of the denied modules.
    Denied(ModulePattern),
    /// It matches no pattern of the allowed modules.
    NotAllowed,
    /// It is this construct.
    Construct(Construct),
}

impl Finding {
    /// What would let the program have it.
    pub fn hint(&self) -> Hint {
        match &self.reason {
            Reason::Denied(pattern) => Hint::RemoveModuleDenial(pattern.clone()),
            Reason::NotAllowed => Hint::AllowModule(cut(&self.name, MAX_PATTERN).to_owned()),
            Reason::Construct(construct) => Hint::AllowConstruct(*construct),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = quoted(&self.name);
        match &self.reason {
            Reason::Denied(pattern) => {
                write!(f, "{name} is one of the denied modules, `{}`", pattern.0)?;
            }
            Reason::NotAllowed => write!(f, "{name} is none of the allowed modules")?,
            Reason::Construct(construct) => write!(f, "{name} {}", construct.says())?,
        }
        match &self.position {
            Some(Position { file, line, column }) => {
                write!(f, " (line {line}, column {column} of {})", quoted(file))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, meant: &[&str], not_meant: &[&str]) {
        let pattern: ModulePattern = pattern.parse().unwrap();
        for name in meant {
            assert!(pattern.matches(name), "{pattern:?} {name}");
        }
        for name in not_meant {
            assert!(!pattern.matches(name), "{pattern:?} {name}");
        }
    }

    #[test]
    fn a_pattern_means_a_module_and_what_is_in_it() {
        check("os", &["os", "os.path", "os.path.join"], &["osx", "posix"]);
        check(
            "os.path",
            &["os.path", "os.path.join"],
            &["os", "os.system"],
        );
        check(
            "fs",
            &["fs", "node:fs", "fs/promises", "fs.readFile"],
            &["fsx"],
        );
        check("node:fs", &["fs", "node:fs/promises"], &["node:os"]);
        check("urllib.*", &["urllib.request"], &["urllib", "urllib3"]);
        check("*", &["os", "./lib.js", "é"], &[]);
        check("./*", &["./lib.js"], &["lib"]);
        check("*pickle*", &["cPickle.pickles", "_pickle"], &["pic"]);
    }

    #[test]
    fn a_pattern_with_many_stars_takes_no_time() {
        let pattern: ModulePattern = format!("{}b", "a*".repeat(40)).parse().unwrap();
        assert!(!pattern.matches(&"a".repeat(200)));
    }

    #[test]
    fn what_no_module_is_called_is_no_pattern() {
        let long = "x".repeat(201);
        for text in [&long, "", "{os,sys}", "os sys", "o[s]", "os?", "a,b"] {
            let error = text.parse::<ModulePattern>().unwrap_err().to_string();
            assert!(
                error.starts_with("a pattern for modules looks like"),
                "{error}"
            );
        }
        assert!(serde_json::from_str::<ModulePattern>("\"{os}\"").is_err());
    }

    #[test]
    fn constructs_have_one_name_everywhere() {
        for construct in Construct::ALL {
            assert_eq!(construct.name().parse(), Ok(construct));
            assert_eq!(serde_json::to_value(construct).unwrap(), construct.name());
        }
        assert!("procesess".parse::<Construct>().is_err());
    }

    #[test]
    fn a_finding_says_what_why_and_where() {
        let finding = Finding {
            name: "os.system".to_owned(),
            reason: Reason::Denied("os.*".parse().unwrap()),
            position: Some(Position {
                file: "report.py".to_owned(),
                line: 3,
                column: 8,
            }),
        };
        assert_eq!(
            finding.to_string(),
            "`os.system` is one of the denied modules, `os.*` (line 3, column 8 of `report.py`)"
        );
    }
}
