//! Judges of stubs: what others see in a generated file.

use std::collections::HashMap;

use oxc_allocator::Allocator;
use oxc_ast::AstKind;
use oxc_ast_visit::Visit;
use oxc_span::SourceType;
use ruff_python_ast::visitor::source_order::{SourceOrderVisitor, TraversalSignal, walk_body};
use ruff_python_ast::{AnyNodeRef, PythonVersion};
use ruff_python_parser::{Mode, ParseOptions, parse_unchecked};
use serde_json::{Map, Value};
use wasm_coordinator_stubs::{
    names::tool_names,
    tool::{Server, Tool},
    tree::{File, server_files},
};

/// The kinds of all nodes of a Python file.
pub fn python_shape(text: &str) -> Result<Vec<String>, String> {
    struct Kinds(Vec<String>);
    impl<'a> SourceOrderVisitor<'a> for Kinds {
        fn enter_node(&mut self, node: AnyNodeRef<'a>) -> TraversalSignal {
            self.0.push(format!("{:?}", node.kind()));
            TraversalSignal::Traverse
        }

        fn leave_node(&mut self, _: AnyNodeRef<'a>) {
            self.0.push(")".to_owned());
        }
    }
    let version = PythonVersion {
        major: 3,
        minor: 11,
    };
    let options = ParseOptions::from(Mode::Module).with_target_version(version);
    let parsed = parse_unchecked(text, options);
    if let Some(error) = parsed.errors().first() {
        return Err(error.to_string());
    }
    if let Some(error) = parsed.unsupported_syntax_errors().first() {
        return Err(error.to_string());
    }
    let module = parsed.try_into_module().ok_or("not a module")?;
    let mut kinds = Kinds(Vec::new());
    walk_body(&mut kinds, &module.syntax().body);
    Ok(kinds.0)
}

/// The kinds of all nodes of a TypeScript file.
pub fn typescript_shape(text: &str) -> Result<Vec<String>, String> {
    struct Kinds(Vec<String>);
    impl<'a> Visit<'a> for Kinds {
        fn enter_node(&mut self, kind: AstKind<'a>) {
            self.0.push(format!("{:?}", kind.ty()));
        }

        fn leave_node(&mut self, _: AstKind<'a>) {
            self.0.push(")".to_owned());
        }
    }
    let allocator = Allocator::default();
    let parsed = oxc_parser::Parser::new(&allocator, text, SourceType::ts()).parse();
    if let Some(error) = parsed.diagnostics.first() {
        return Err(error.to_string());
    }
    if let Some(comment) = parsed
        .program
        .comments
        .iter()
        .find(|comment| comment.is_line())
    {
        return Err(format!("a line comment at {:?}", comment.span));
    }
    let mut kinds = Kinds(Vec::new());
    kinds.visit_program(&parsed.program);
    Ok(kinds.0)
}

/// A server and its tools with all texts replaced by a function of them.
#[derive(Debug)]
pub struct Definition {
    /// Name, title, version and instructions of the server.
    pub server: Value,
    /// The tools, as servers list them.
    pub tools: Vec<Value>,
}

/// Words that mean something in a schema: they stay.
const KEYWORDS: &[&str] = &[
    "type",
    "properties",
    "items",
    "prefixItems",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "enum",
    "const",
    "required",
    "additionalProperties",
    "$defs",
    "default",
    "format",
    "pattern",
    "title",
    "description",
    "name",
    "version",
    "instructions",
    "inputSchema",
    "outputSchema",
    "object",
    "array",
    "string",
    "integer",
    "number",
    "boolean",
    "null",
    "#/$defs/A",
    "A",
];

fn replaced(value: &Value, text: &mut impl FnMut(&str) -> String) -> Value {
    let mut each = |word: &str| match KEYWORDS.contains(&word) {
        true => word.to_owned(),
        false => text(word),
    };
    match value {
        Value::String(word) => each(word).into(),
        Value::Array(items) => items.iter().map(|item| replaced(item, text)).collect(),
        Value::Object(fields) => {
            let mut result = Map::new();
            for (key, value) in fields {
                let key = match KEYWORDS.contains(&key.as_str()) {
                    true => key.clone(),
                    false => text(key),
                };
                result.insert(key, replaced(value, text));
            }
            result.into()
        }
        other => other.clone(),
    }
}

impl Definition {
    /// The same with harmless words, as many different ones as there were.
    fn harmless(&self) -> Self {
        let mut words = HashMap::new();
        let mut text = |word: &str| {
            let next = words.len();
            let number = *words.entry(word.to_owned()).or_insert(next);
            // No identifier, because the others are none.
            format!("harmless word {number}")
        };
        Self {
            server: replaced(&self.server, &mut text),
            tools: self
                .tools
                .iter()
                .map(|tool| replaced(tool, &mut text))
                .collect(),
        }
    }

    /// All files of it.
    pub fn files(&self) -> Vec<File> {
        let text = |value: &'_ Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let raw: Vec<String> = self.tools.iter().map(|tool| text(tool, "name")).collect();
        let names = tool_names(raw.iter().map(String::as_str));
        let descriptions: Vec<_> = self
            .tools
            .iter()
            .map(|tool| text(tool, "description"))
            .collect();
        let tools: Vec<Tool<'_>> = (0..self.tools.len())
            .map(|index| Tool {
                name: &raw[index],
                names: &names[index],
                title: self.tools[index]["title"].as_str().unwrap_or_default(),
                description: &descriptions[index],
                input: &self.tools[index]["inputSchema"],
                output: self.tools[index].get("outputSchema"),
                is_wrapped: false,
            })
            .collect();
        let server = Server {
            name: self.server["name"].as_str().unwrap_or_default(),
            identifier: "server",
            title: self.server["title"].as_str().unwrap_or_default(),
            version: self.server["version"].as_str().unwrap_or_default(),
            instructions: self.server["instructions"].as_str().unwrap_or_default(),
        };
        server_files(&server, &tools, 1)
    }
}

/// The files of a definition, each with its shape.
pub fn shapes(definition: &Definition) -> Vec<Vec<String>> {
    definition
        .files()
        .iter()
        .map(|file| {
            let shape = match file.path.rsplit('.').next() {
                Some("py") => python_shape(&file.text),
                Some("ts") => typescript_shape(&file.text),
                Some("json") => json_shape(&file.text),
                _ => markdown_shape(&file.text),
            };
            for c in file.text.chars() {
                let is_plain = c == '\n' || !c.is_control();
                let is_deceptive = ('\u{2028}'..='\u{202e}').contains(&c) || c == '\u{feff}';
                assert!(
                    is_plain && !is_deceptive,
                    "{c:?} in {}:\n{:?}",
                    file.path,
                    file.text
                );
            }
            shape.unwrap_or_else(|error| panic!("{}: {error}\n{}", file.path, file.text))
        })
        .collect()
}

fn json_shape(text: &str) -> Result<Vec<String>, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let object = value.as_object().ok_or("not an object")?;
    let tools = value["tools"].as_array().ok_or("no list of tools")?;
    Ok(object
        .keys()
        .cloned()
        .chain([tools.len().to_string()])
        .collect())
}

/// How lines begin; how long quoted text is does not matter.
fn markdown_shape(text: &str) -> Result<Vec<String>, String> {
    let mut starts: Vec<String> = text
        .lines()
        .map(|line| {
            line.chars()
                .take_while(|c| !c.is_alphanumeric())
                .take(3)
                .collect()
        })
        .map(|start: String| {
            if start.starts_with('>') {
                ">".to_owned()
            } else {
                start
            }
        })
        .collect();
    starts.dedup();
    let bare = text
        .replace("\\\\", "")
        .replace("\\]", "")
        .replace("\\<", "");
    match bare.contains("](") || bare.contains('<') {
        true => Err("a link or HTML".to_owned()),
        false => Ok(starts),
    }
}

/// The files have the shape that they have with harmless words.
#[track_caller]
pub fn check(definition: &Definition) {
    let harmless = definition.harmless();
    let (left, right) = (shapes(definition), shapes(&harmless));
    for (index, (left, right)) in left.iter().zip(&right).enumerate() {
        if left != right {
            let (left, right) = (definition.files(), harmless.files());
            let (left, right) = (&left[index], &right[index]);
            panic!(
                "the shape differs:\n{}\n{}\n--\n{}",
                left.path, left.text, right.text
            );
        }
    }
    assert_eq!(left.len(), right.len());
}

/// Texts that break out of something, somewhere.
pub const BREAKERS: &[&str] = &[
    "\"\"\"",
    "'''",
    "\"",
    "'",
    "\\",
    "\\\\\"",
    "*/",
    "/*",
    "//",
    "-->",
    "<!--",
    "</script>",
    "`",
    "${x}",
    "\u{2028}",
    "\u{2029}",
    "\r",
    "\r\n",
    "\n",
    "\n\n",
    "\n    pass\n",
    "\0",
    "\u{c}",
    "\u{85}",
    "\u{1b}[2J",
    "# -*- coding: utf-7 -*-",
    "# type: ignore",
    "@ts-ignore",
    "@param",
    "\u{202e}",
    "\u{2066}",
    "\u{feff}",
    "\u{200b}",
    "\u{e0041}",
    "\\ud800",
    "\\N{DOLLAR SIGN}",
    "{0}",
    "%s",
    "\t",
    " ",
    "]",
    ")",
    "}",
    ";",
    ",",
    "#",
    "\n# heading",
    "\n- item",
    "[a](http://b)",
    "![a](http://b)",
    "|",
    "é",
    "語",
    "😀",
    "\u{7f}",
    "import os",
    "\n\"\"\"\nimport os\n\"\"\"",
    "*/\nimport \"os\";\n/*",
    "\n */",
    "\\\n",
    "*",
    "/",
];
