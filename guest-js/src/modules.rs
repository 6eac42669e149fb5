//! What can be imported: servers, files of the workspace and the skills, and
//! packages that were placed there.
//!
//! Files are read through WASI; the host decides which exist. Nothing is ever
//! loaded from an address or a package registry. CommonJS files run when a
//! module that imports them is loaded, so that what they export is known by
//! name. What is named as a server is
//! one: files below `/servers` are there to be read, and a folder `servers` in
//! the workspace does not take their place.

use crate::text::{Nullable, Text};
use crate::{engine, files, frames, source};
use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Array, Ctx, Exception, Function, IntoJs, Module, Object, Result, Value};

/// The largest file that is loaded as code.
const MAX_FILE: u64 = 16 << 20;

/// Where the relative imports of a program begin.
const WORKSPACE: &str = "/workspace";

/// Where files describe the tools.
const STUBS: &str = "/servers";

/// The module of all servers.
const ALL: &str = "servers";

/// What the names of modules begin with that are the text or the JSON of a
/// file, whatever its ending says.
const TEXT: &str = "text:";
const JSON: &str = "json:";

/// Finds and loads modules for the engine.
#[derive(Clone, Copy)]
pub(crate) struct Modules;

/// Puts the functions into the `native` object of the prelude.
pub(crate) fn define<'js>(ctx: &Ctx<'js>, native: &Object<'js>) -> Result<()> {
    macro_rules! functions {
        ($($name:literal: $function:expr),* $(,)?) => {
            $(native.set($name, Function::new(ctx.clone(), $function)?)?;)*
        };
    }
    functions! {
        "serverOf": |specifier: Text, base: Nullable| {
            server_of(base.0.as_deref().unwrap_or(""), &specifier.0)
                .map(|(server, tool)| vec![Some(server), tool])
        },
        "hasImport": |base: Text, specifier: Text| {
            file_path(&base.0, &specifier.0).and_then(|path| existing(&path)).is_some()
        },
        "existingFile": existing_file,
        "hasFolder": |path: Text| files::is_folder(&path.0),
        "textFile": text_file,
        "importFile": import_file,
        "commonFile": common_file,
        "moduleNow": module_now,
    }
    Ok(())
}

/// The server, and perhaps the tool, that a specifier in the file `base` names;
/// in a program, where the base is no file, relative to the workspace:
/// `servers/github`, `./servers/github/listIssues.ts`, `mcp_tools/github`.
pub(crate) fn server_of(base: &str, specifier: &str) -> Option<(String, Option<String>)> {
    let file = file_path(base, specifier);
    let below = |file: &String| Some(file.strip_prefix(STUBS)?.strip_prefix('/')?.to_owned());
    if let Some(path) = file.as_ref().and_then(below) {
        return server_and_tool(&path);
    }
    let mut path = specifier;
    while let Some(rest) = ["./", "../", "/", "@/", "~/"]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix))
    {
        path = rest;
    }
    if let Some(path) = ["servers/", "mcp_tools/", "mcp-tools/"]
        .iter()
        .find_map(|prefix| path.strip_prefix(prefix))
    {
        return server_and_tool(path);
    }
    // A usual name for a folder of one's own.
    let path = path.strip_prefix("tools/")?;
    match file.and_then(|file| existing(&file)) {
        Some(_) => None,
        None => server_and_tool(path),
    }
}

/// `github`, `github/index.ts`, `github/listIssues.js`.
fn server_and_tool(path: &str) -> Option<(String, Option<String>)> {
    let path = [".js", ".ts", ".mjs", ".mts"]
        .iter()
        .find_map(|suffix| path.strip_suffix(suffix))
        .unwrap_or(path)
        .trim_end_matches('/');
    match path.split_once('/') {
        None if path.is_empty() => None,
        None => Some((path.to_owned(), None)),
        Some((server, tool)) if !tool.contains('/') => {
            let tool = Some(tool).filter(|&tool| tool != "index");
            Some((server.to_owned(), tool.map(str::to_owned)))
        }
        Some(_) => None,
    }
}

/// Imports a file for the top level of a program: a promise of its namespace.
/// With a type, its content in an object.
fn import_file<'js>(ctx: Ctx<'js>, specifier: Text, kind: Nullable) -> Result<Value<'js>> {
    let Some(kind) = kind.0 else {
        return Ok(Module::import(&ctx, specifier.0)?.into_value());
    };
    let path = match resolve(&ctx, "", &specifier.0, Some(&kind))? {
        path if path.starts_with(TEXT) || path.starts_with(JSON) => path[TEXT.len()..].to_owned(),
        path => path,
    };
    let object = Object::new(ctx.clone())?;
    let text = read(&ctx, &path)?;
    let value = match kind.as_str() {
        "text" => text.into_js(&ctx)?,
        _ => ctx.json_parse(text)?,
    };
    object.set("default", value)?;
    Ok(object.into_value())
}

/// The file that a path means, or `null`.
fn existing_file<'js>(ctx: Ctx<'js>, path: Text) -> Result<Value<'js>> {
    match existing(&path.0) {
        Some(file) => file.into_js(&ctx),
        None => Ok(Value::new_null(ctx)),
    }
}

/// The text of a file, or `null` where there is none.
fn text_file<'js>(ctx: Ctx<'js>, path: Text) -> Result<Value<'js>> {
    if !files::exists(&path.0) {
        return Ok(Value::new_null(ctx));
    }
    read(&ctx, &path.0)?.into_js(&ctx)
}

/// A CommonJS file as a function of `exports`, `require`, `module`,
/// `__filename` and `__dirname`; `null` for a file that is a module.
fn common_file<'js>(ctx: Ctx<'js>, path: Text) -> Result<Value<'js>> {
    let text = read(&ctx, &path.0)?;
    let file = prepare(&ctx, &path.0, &text)?;
    if !file.common {
        return Ok(Value::new_null(ctx));
    }
    engine::evaluate_script(&ctx, &path.0, &file.code)
}

/// Runs a file that is a module, for `require`: what it exports.
fn module_now<'js>(ctx: Ctx<'js>, path: Text) -> Result<Value<'js>> {
    let (module, promise) = Modules.load(&ctx, &path.0, None)?.eval()?;
    match promise.result::<Value>() {
        Some(result) => {
            result?;
            Ok(module.namespace()?.into_value())
        }
        None => Err(Exception::throw_message(
            &ctx,
            &format!(
                "cannot require `{0}`: the module waits for something at its top level; write `await import(\"{0}\")`",
                path.0
            ),
        )),
    }
}

/// A file as the engine runs it; an error of its syntax is thrown.
fn prepare<'js>(ctx: &Ctx<'js>, path: &str, text: &str) -> Result<source::File> {
    match source::file(text, path) {
        Ok(mut file) => {
            frames::remember(path, std::mem::take(&mut file.shifts));
            Ok(file)
        }
        Err(error) => {
            let position = (error.message, path, error.line, error.column);
            let thrown: Value = engine::call_internal(ctx, "syntaxError", position)?;
            Err(ctx.throw(thrown))
        }
    }
}

/// The name of the module that a specifier in the file `base` means.
fn resolve(ctx: &Ctx<'_>, base: &str, name: &str, kind: Option<&str>) -> Result<String> {
    if let Some(kind) = kind
        && !matches!(kind, "text" | "json")
    {
        let message =
            format!("the import type `{kind}` does not exist: there are `json` and `text`");
        return Err(Exception::throw_type(ctx, &message));
    }
    let all: bool = engine::call_internal(ctx, "isAllServers", (name, base))?;
    if all {
        return Ok(ALL.to_owned());
    }
    if let Some((server, tool)) = server_of(base, name) {
        return Ok(match tool {
            None => format!("servers/{server}"),
            Some(tool) => format!("servers/{server}/{tool}"),
        });
    }
    let marked = |path: String| match kind {
        Some("text") => format!("{TEXT}{path}"),
        Some("json") if !path.ends_with(".json") => format!("{JSON}{path}"),
        _ => path,
    };
    if let Some(path) = file_path(base, name) {
        return existing(&path).map(marked).ok_or_else(|| {
            let message = format!("cannot import `{name}`: there is no file `{path}`");
            Exception::throw_reference(ctx, &message)
        });
    }
    let builtin: bool = engine::call_internal(ctx, "isBuiltin", (name,))?;
    if builtin {
        return Ok(format!("builtin:{}", name.trim_start_matches("node:")));
    }
    let file: Nullable = engine::call_internal(ctx, "packageFile", (base, name, "import"))?;
    if let Some(path) = file.0 {
        return Ok(marked(path));
    }
    let message: String = engine::call_internal(ctx, "missingModule", (name,))?;
    Err(Exception::throw_reference(ctx, &message))
}

impl Resolver for Modules {
    fn resolve<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        let kind = match attributes {
            Some(attributes) => attributes.get_type()?,
            None => None,
        };
        resolve(ctx, base, name, kind.as_deref())
    }
}

impl Loader for Modules {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        if let Some(builtin) = name.strip_prefix("builtin:") {
            let object: Object = engine::call_internal(ctx, "builtin", (builtin,))?;
            let names: Vec<String> = object.keys().collect::<Result<_>>()?;
            return declare(ctx, name, &object, &object, &names);
        }
        if name == ALL {
            let object: Object = engine::call_internal(ctx, "lazyServers", ())?;
            let names: Vec<String> = object.keys().collect::<Result<_>>()?;
            return declare(ctx, name, &object, &object, &names);
        }
        if let Some((server, tool)) = name.strip_prefix("servers/").and_then(server_and_tool) {
            let found: Object = engine::call_internal(ctx, "serverModule", (server, tool))?;
            let names: Vec<String> = found.get("exports")?;
            let module: Object = found.get("module")?;
            let default: Object = found.get("default")?;
            return declare(ctx, name, &module, &default, &names);
        }
        if let Some(path) = name.strip_prefix(TEXT) {
            let text = read(ctx, path)?.into_js(ctx)?;
            return value(ctx, name, text);
        }
        let path = name.strip_prefix(JSON);
        let text = read(ctx, path.unwrap_or(name))?;
        if path.is_some() || name.ends_with(".json") {
            let parsed = ctx.json_parse(text)?;
            return value(ctx, name, parsed);
        }
        let file = prepare(ctx, name, &text)?;
        if file.common {
            let exports: Value = engine::call_internal(ctx, "commonExports", (name,))?;
            let Some(object) = exports.as_object() else {
                return value(ctx, name, exports);
            };
            let names: Vec<String> = object.keys().collect::<Result<_>>()?;
            return declare(ctx, name, object, object, &names);
        }
        Module::declare(ctx.clone(), name, file.code)
    }
}

/// A module whose default export is a value, and which has no other.
fn value<'js>(ctx: &Ctx<'js>, name: &str, value: Value<'js>) -> Result<Module<'js, Declared>> {
    let module = Module::declare(ctx.clone(), name, "export default import.meta.value;")?;
    module.meta()?.set("value", value)?;
    Ok(module)
}

/// A module whose exports are properties of an object. Only names that are
/// identifiers become exports: nothing of a stranger gets into the code.
fn declare<'js>(
    ctx: &Ctx<'js>,
    name: &str,
    module: &Object<'js>,
    default: &Object<'js>,
    names: &[String],
) -> Result<Module<'js, Declared>> {
    let mut code = String::from("const $m = import.meta.exports;");
    for (index, name) in names
        .iter()
        .enumerate()
        .filter(|(_, name)| is_identifier(name))
    {
        code.push_str(&format!(
            "const $e{index} = $m.{name};export {{ $e{index} as {name} }};"
        ));
    }
    code.push_str("export default import.meta.default;");
    let declared = Module::declare(ctx.clone(), name, code)?;
    let meta = declared.meta()?;
    meta.set("exports", module.clone())?;
    meta.set("default", default.clone())?;
    Ok(declared)
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    name != "then"
        && name != "default"
        && chars
            .next()
            .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '$')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '$')
}

/// The absolute path a specifier means; `None` if it does not mean a file.
fn file_path(base: &str, name: &str) -> Option<String> {
    let path = if name.starts_with('/') {
        name.to_owned()
    } else if name.starts_with("./") || name.starts_with("../") {
        let folder = match base.rsplit_once('/') {
            Some((folder, _)) if base.starts_with('/') => folder,
            _ => WORKSPACE,
        };
        format!("{folder}/{name}")
    } else if name.starts_with("workspace/") || name.starts_with("skills/") {
        format!("/{name}")
    } else {
        return None;
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

/// The file that a path without its ending, or with the ending of the
/// compiled file, means.
fn existing(path: &str) -> Option<String> {
    let compiled = path
        .strip_suffix(".js")
        .or_else(|| path.strip_suffix(".mjs"))
        .map(|stem| format!("{stem}.ts"));
    let endings = [
        ".js",
        ".ts",
        ".mjs",
        ".mts",
        ".tsx",
        ".jsx",
        ".cjs",
        ".cts",
        ".json",
        "/index.js",
        "/index.ts",
        "/index.mjs",
        "/index.cjs",
        "/index.json",
    ];
    std::iter::once(path.to_owned())
        .chain(compiled)
        .chain(endings.iter().map(|ending| format!("{path}{ending}")))
        .find(|candidate| files::exists(candidate))
}

fn read<'js>(ctx: &Ctx<'js>, path: &str) -> Result<String> {
    let refuse =
        |why: &str| Exception::throw_reference(ctx, &format!("cannot import `{path}`: {why}"));
    files::ready();
    let metadata = std::fs::metadata(path).map_err(|_| refuse("there is no such file"))?;
    if metadata.len() > MAX_FILE {
        return Err(refuse("the file is larger than 16 MiB"));
    }
    let bytes = std::fs::read(path).map_err(|_| refuse("the file cannot be read"))?;
    String::from_utf8(bytes).map_err(|_| refuse("the file is not valid utf-8"))
}

/// The imports of a program, for `link` in `js/program.js`.
pub(crate) fn imports<'js>(ctx: &Ctx<'js>, imports: &[source::Import]) -> Result<Array<'js>> {
    let array = Array::new(ctx.clone())?;
    for (index, import) in imports.iter().enumerate() {
        let object = Object::new(ctx.clone())?;
        object.set("specifier", import.specifier.as_str())?;
        object.set("namespace", import.namespace.as_deref())?;
        object.set("optional", import.optional)?;
        object.set("kind", import.kind.as_deref())?;
        object.set("line", import.line)?;
        object.set("column", import.column)?;
        let names = Array::new(ctx.clone())?;
        for (index, name) in import.names.iter().enumerate() {
            let entry = Object::new(ctx.clone())?;
            entry.set("exported", name.exported.as_str())?;
            entry.set("local", name.local.as_str())?;
            entry.set("optional", name.optional)?;
            names.set(index, entry)?;
        }
        object.set("names", names)?;
        array.set(index, object)?;
    }
    Ok(array)
}

/// Declares what must exist before a program starts.
pub(crate) fn predeclare(ctx: &Ctx<'_>, names: &[String]) -> Result<()> {
    for name in names {
        if !ctx.globals().contains_key(name.as_str())? {
            engine::define_global(
                ctx.clone(),
                name.clone(),
                rquickjs::Value::new_undefined(ctx.clone()),
            )?;
        }
    }
    Ok(())
}
