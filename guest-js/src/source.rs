//! From what people write to what the engine runs.
//!
//! A program is run as a script with top-level `await`, so that its variables
//! stay for the next program of the session. What a script cannot say is
//! rewritten in place, line by line: imports are taken out and bound before
//! the program starts, `export` is dropped, `const` and `class` can be
//! declared again as in a notebook, a top-level `return` ends the program, a
//! Markdown fence is ignored, types are erased. Files that programs import
//! stay modules; only types are erased in them.
//!
//! All of that costs a parse. Programs that need none of it skip the parser.

mod top_level;

use crate::edits::{Edits, Shifts};
use crate::erase::{self, Found};
use crate::references::{self, Reference};
use oxc_allocator::Allocator;
use oxc_ast::ast::Program;
use oxc_parser::{ParseOptions, Parser};
use oxc_span::SourceType;
use top_level::TopLevel;

/// Brackets deeper than this are refused before the parser sees them: it
/// recurses, and would end the whole guest where an error will do.
const MAX_DEPTH: usize = 600;

/// A program, ready to run.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) code: String,
    pub(crate) shifts: Shifts,
    pub(crate) imports: Vec<Import>,
    /// Classes to be declared before the program starts.
    pub(crate) classes: Vec<String>,
    /// Names that could be read before the program declares them.
    pub(crate) guarded: Vec<String>,
    pub(crate) tail: Tail,
}

/// What the value of the last statement means.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// It is the result.
    #[default]
    Value,
    /// There is no result: the last statement is not an expression.
    Nothing,
    /// It is a function to call; what that returns is the result.
    Call,
    /// It is the program itself as a function, which takes a function that
    /// keeps its variables.
    Wrapped,
}

/// One `import` declaration of a program.
pub(crate) struct Import {
    pub(crate) specifier: String,
    /// The name for the whole module (`* as name`).
    pub(crate) namespace: Option<String>,
    pub(crate) names: Vec<ImportName>,
    /// Nothing of it is used but, perhaps, types: failing to load it is fine.
    pub(crate) optional: bool,
    /// What the file is read as: `with { type: "json" }`.
    pub(crate) kind: Option<String>,
    /// The place of the declaration: line and column, from 1.
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// One name of an import.
pub(crate) struct ImportName {
    /// In the module.
    pub(crate) exported: String,
    /// In the program.
    pub(crate) local: String,
    /// No expression uses it: it may be a type.
    pub(crate) optional: bool,
}

/// Why a text is no program.
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Prepares a program.
pub(crate) fn program(source: &str, typescript: bool) -> Result<Prepared, SyntaxError> {
    if !typescript && is_plain(source) {
        return Ok(Prepared {
            code: source.to_owned(),
            ..Prepared::default()
        });
    }
    let (source, fenced_typescript) = without_fence(source);
    let source = source.as_ref();
    check_depth(source)?;
    let allocator = Allocator::default();
    let first = parse(&allocator, source, typescript || fenced_typescript);
    match first {
        Ok((program, _)) => script(source, &program),
        Err(error) if typescript => Err(error),
        Err(error) => {
            // JavaScript with types in it is common; anything else that the
            // parser refuses is left to the engine, whose word counts.
            let again = Allocator::default();
            match parse(&again, source, true) {
                Ok((program, _)) => script(source, &program),
                Err(_) if needs_rewriting(source) => Err(error),
                Err(_) => Ok(Prepared {
                    code: source.to_owned(),
                    ..Prepared::default()
                }),
            }
        }
    }
}

/// What a program refers to; nothing if it is none. `run` parses it again, which
/// takes less time than to keep all that it made of it.
pub(crate) fn references(source: &str, typescript: bool) -> Vec<Reference> {
    let (source, fenced_typescript) = without_fence(source);
    let source = source.as_ref();
    if check_depth(source).is_err() {
        return Vec::new();
    }
    for typescript in [typescript || fenced_typescript, true] {
        let allocator = Allocator::default();
        if let Ok((program, _)) = parse(&allocator, source, typescript) {
            return references::of(&program);
        }
    }
    Vec::new()
}

/// A file that a program imports, ready to run.
pub(crate) struct File {
    pub(crate) code: String,
    pub(crate) shifts: Shifts,
    /// It is CommonJS, and the code is a function of what Node gives it.
    pub(crate) common: bool,
}

/// What a file without `import` and `export` contains if it is CommonJS.
const COMMON: [&str; 6] = [
    "module.exports",
    "exports.",
    "exports[",
    "exports,",
    "require(",
    "__esModule",
];

/// Prepares a file. As in Node, its ending says what it is; and where that
/// leaves it open, its text.
pub(crate) fn file(source: &str, path: &str) -> Result<File, SyntaxError> {
    let ends = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
    let typescript = ends(&[".ts", ".mts", ".cts", ".tsx"]);
    // What the engine does not know and this compiler does, or refuses better.
    let unknown = ends(&[".jsx"]) || source.contains('@') || source.contains("accessor ");
    let certain = ends(&[".cjs", ".cts"]);
    let could_be =
        certain || (!ends(&[".mjs", ".mts"]) && COMMON.iter().any(|word| source.contains(word)));
    let mut edits = Edits::new(source);
    let mut common = could_be;
    if typescript || could_be || unknown {
        let depth = check_depth(source);
        if typescript {
            depth?;
        } else if depth.is_err() {
            // A large library with brackets in its texts: the engine will see.
            return Ok(finished(edits, could_be));
        }
        let allocator = Allocator::default();
        let source_type = match (typescript, ends(&[".tsx", ".jsx"])) {
            (true, true) => SourceType::tsx(),
            (true, false) => SourceType::ts(),
            (false, true) => SourceType::jsx(),
            (false, false) => SourceType::mjs(),
        };
        match parse_as(&allocator, source, source_type) {
            Ok((program, is_module)) => {
                common = could_be && (certain || !is_module);
                if typescript || unknown {
                    check(source, &erase::erase(&program, &mut edits, true))?;
                }
            }
            Err(error) if typescript => return Err(error),
            // Sloppy code that is no module, or the engine's to refuse.
            Err(_) => {}
        }
    }
    if common && source.starts_with("#!") {
        let line = source.find('\n').unwrap_or(source.len());
        edits.blank(0, line as u32);
    }
    Ok(finished(edits, common))
}

fn finished(mut edits: Edits<'_>, common: bool) -> File {
    if common {
        edits.insert(
            0,
            "(function (exports, require, module, __filename, __dirname) {",
        );
        edits.insert(edits.source().len() as u32, "\n})");
    }
    let (code, shifts) = if edits.is_empty() {
        (edits.source().to_owned(), Shifts::default())
    } else {
        edits.apply()
    };
    File {
        code,
        shifts,
        common,
    }
}

/// Whether a program is certainly fine as it is. Words that only look like
/// keywords make the answer "no", which costs time and nothing else.
fn is_plain(source: &str) -> bool {
    const WORDS: [&str; 15] = [
        "{", "=>", "const", "let ", "let\n", "var", "class", "import", "export", "return", "```",
        "for", "while", "if", "do",
    ];
    source.len() <= 400 && !WORDS.iter().any(|word| source.contains(word))
}

/// Whether the engine could not even try a program as a script.
fn needs_rewriting(source: &str) -> bool {
    ["import", "export", "return"]
        .iter()
        .any(|word| source.contains(word))
}

/// Blanks a Markdown fence around the whole text. Also says whether the fence
/// calls it TypeScript.
fn without_fence(source: &str) -> (std::borrow::Cow<'_, str>, bool) {
    let trimmed = source.trim_start();
    let start = source.len() - trimmed.len();
    if !trimmed.starts_with("```") {
        return (source.into(), false);
    }
    let Some(line) = trimmed.find('\n') else {
        return (source.into(), false);
    };
    let language = trimmed[3..line].trim().to_ascii_lowercase();
    let body_end = source.trim_end().len();
    let end = source[..body_end]
        .strip_suffix("```")
        .map_or(body_end, str::len)
        .max(start + line);
    let mut edits = Edits::new(source);
    edits.blank(start as u32, (start + line) as u32);
    edits.blank(end as u32, body_end as u32);
    let typescript = matches!(language.as_str(), "ts" | "typescript" | "mts");
    (edits.apply().0.into(), typescript)
}

/// Refuses what is nested so deeply that the parser's stack might not do.
/// Brackets in strings and comments count too, which no real program notices.
fn check_depth(source: &str) -> Result<(), SyntaxError> {
    let mut depth = 0usize;
    for (at, byte) in source.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth > MAX_DEPTH {
            let (line, column) = line_and_column(source, at);
            return Err(SyntaxError {
                message: format!("more than {MAX_DEPTH} brackets are open at once"),
                line,
                column,
            });
        }
    }
    Ok(())
}

/// Parses a text. Also says whether it has the syntax of a module.
fn parse<'a>(
    allocator: &'a Allocator,
    source: &'a str,
    typescript: bool,
) -> Result<(Program<'a>, bool), SyntaxError> {
    let source_type = if typescript {
        SourceType::ts()
    } else {
        SourceType::mjs()
    };
    parse_as(allocator, source, source_type)
}

fn parse_as<'a>(
    allocator: &'a Allocator,
    source: &'a str,
    source_type: SourceType,
) -> Result<(Program<'a>, bool), SyntaxError> {
    let options = ParseOptions {
        allow_return_outside_function: true,
        enable_ident_hashes: false,
        ..ParseOptions::default()
    };
    let parsed = Parser::new(allocator, source, source_type)
        .with_options(options)
        .parse();
    let Some(diagnostic) = parsed.diagnostics.errors().next() else {
        return Ok((parsed.program, parsed.module_record.has_module_syntax));
    };
    let at = diagnostic.labels.first().map_or(0, |label| label.offset());
    let (line, column) = line_and_column(source, at as usize);
    let mut message = diagnostic.message.to_string();
    if let Some(help) = &diagnostic.help {
        message = format!("{message}: {help}");
    }
    Err(SyntaxError {
        message,
        line,
        column,
    })
}

/// Rewrites a parsed program into a script.
fn script(source: &str, program: &Program<'_>) -> Result<Prepared, SyntaxError> {
    let mut edits = Edits::new(source);
    let mut prepared = Prepared::default();
    if let Some(hashbang) = &program.hashbang {
        edits.blank(hashbang.span.start, hashbang.span.end);
    }
    let found = erase::erase(program, &mut edits, false);
    check(source, &found)?;

    let mut top = TopLevel::new(&mut edits, &found, program.directives.is_empty());
    for statement in &program.body {
        top.statement(statement);
    }
    let TopLevel {
        mut imports,
        classes,
        guarded,
        names,
        functions,
        only_declares,
        mut tail,
        last,
        ..
    } = top;
    if program.source_type.is_typescript() {
        for import in &mut imports {
            for name in &mut import.names {
                name.optional = !found.uses(&name.local);
            }
            import.optional = import.namespace.is_none()
                && !import.names.is_empty()
                && import.names.iter().all(|name| name.optional);
        }
    }

    if program.body.is_empty() && !program.directives.is_empty() {
        tail = Tail::Value; // a string alone is a directive to the parser
    }
    let end = source.len() as u32;
    if found.returns {
        if let Some(at) = last {
            edits.insert(at, "return ");
        }
        let keep = names
            .iter()
            .chain(&functions)
            .filter(|name| name.as_str() != "undefined")
            .map(|name| format!("get {name}(){{return {name}}}"))
            .collect::<Vec<_>>()
            .join(",");
        let start = program
            .hashbang
            .as_ref()
            .map_or(0, |hashbang| hashbang.span.end);
        edits.insert(start, format!("(async($keep)=>{{$keep(()=>({{{keep}}}));"));
        edits.insert(end, "\n})");
        tail = Tail::Wrapped;
    } else if only_declares && functions.iter().any(|name| name == "main") && !found.uses("main") {
        edits.insert(end, "\n;main");
        tail = Tail::Call;
    }
    let (code, shifts) = if edits.is_empty() {
        (source.to_owned(), Shifts::default())
    } else {
        edits.apply()
    };
    prepared.code = code;
    prepared.shifts = shifts;
    prepared.imports = imports;
    prepared.classes = classes;
    prepared.guarded = guarded;
    prepared.tail = tail;
    Ok(prepared)
}

/// Refuses what neither the engine nor this compiler knows.
fn check(source: &str, found: &Found<'_>) -> Result<(), SyntaxError> {
    let Some((at, why)) = found.refused() else {
        return Ok(());
    };
    let (line, column) = line_and_column(source, at as usize);
    Err(SyntaxError {
        message: why.to_owned(),
        line,
        column,
    })
}

/// Lines and columns of bytes, of which none comes before the one in front of it.
pub(crate) struct Places<'a> {
    rest: std::str::CharIndices<'a>,
    line: u32,
    column: u32,
}

impl<'a> Places<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self {
            rest: source.char_indices(),
            line: 1,
            column: 1,
        }
    }

    /// Line and column of the next byte, both from 1, columns in characters.
    pub(crate) fn next(&mut self, at: u32) -> (u32, u32) {
        while self.rest.offset() < at as usize
            && let Some((_, character)) = self.rest.next()
        {
            if character == '\n' {
                (self.line, self.column) = (self.line + 1, 1);
            } else {
                self.column += 1;
            }
        }
        (self.line, self.column)
    }
}

/// Line and column of a byte, both from 1, columns in characters.
pub(crate) fn line_and_column(source: &str, at: usize) -> (u32, u32) {
    let mut at = at.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    let before = &source[..at];
    let line = before.matches('\n').count() as u32 + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() as u32 + 1;
    (line, column)
}
