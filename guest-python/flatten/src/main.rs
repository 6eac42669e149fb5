//! Makes one core module of a component that has a dozen.
//!
//! `flatten BINARYEN INPUT OUTPUT`: takes the component INPUT apart, wires its
//! core modules directly to each other, merges them with Binaryen's
//! `wasm-merge`, optimises the result with `wasm-opt` (both in the folder
//! BINARYEN) and writes a component with the same world to OUTPUT.
//!
//! What componentize-py makes is linked when it is instantiated: tables of
//! thousands of functions are filled and every call between two libraries
//! crosses an instance. Merged, instantiation is some twenty times faster and
//! code runs a fifth faster (`README.md` has the figures).
//!
//! Two things are left out on purpose: exports that the contract does not
//! have (the pre-initialisation of componentize-py), and `wasi:sockets`.

mod outline;
mod refusals;
mod rewrite;
mod snapshot;
mod stack;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::decoding::DecodedWasm;
use wit_parser::{WorldItem, WorldKey};

use outline::{Definition, Outline};

/// The prefix of the exports that stay, so that none of the thousands of
/// functions that libraries export to each other can be taken for one.
const KEEP: &str = "keep:";

/// The module name of [`refusals`] while modules are merged.
const REFUSALS: &str = "refusals";

/// Binaryen's view of what the modules may use.
const FEATURES: [&str; 2] = ["--all-features", "--disable-compact-imports"];

fn main() -> Result<()> {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [binaryen, input, output] = arguments.as_slice() else {
        bail!("usage: flatten BINARYEN INPUT OUTPUT");
    };
    let component =
        fs::read(input).with_context(|| format!("`{}` cannot be read", input.display()))?;
    let work = output.with_extension("parts");
    fs::create_dir_all(&work)?;

    let outline = Outline::read(&component)?;
    let merged = merge(binaryen, &work, &outline)?;
    let optimised = optimise(binaryen, &work, &merged)?;
    let mut memory = snapshot::read(&optimised)?;
    let objects = snapshot::immortalise(&mut memory)?;
    let segments = snapshot::segments(&memory)?;
    let finished = rewrite::data(&optimised, &segments)?;
    let flat = encode(&component, &finished)?;
    fs::write(output, flat)?;
    println!("{objects} objects, {} data segments", segments.len());
    fs::remove_dir_all(&work)?;
    Ok(())
}

/// Writes the modules with direct wiring and merges them.
fn merge(binaryen: &Path, work: &Path, outline: &Outline) -> Result<Vec<u8>> {
    let mut keep: HashMap<(usize, &str), BTreeSet<String>> = HashMap::new();
    let mut memory_module = None;
    for export in &outline.exports {
        let name = &export.name;
        let (memory, _) = place(&export.memory)?;
        memory_module = Some(memory);
        let mut kept = vec![
            (&export.function, name.clone()),
            (&export.memory, "memory".to_owned()),
            (&export.realloc, "cabi_realloc".to_owned()),
        ];
        if let Some(post_return) = &export.post_return {
            kept.push((post_return, format!("cabi_post_{name}")));
        }
        for (definition, name) in kept {
            let names = keep.entry(place(definition)?).or_default();
            names.insert(format!("{KEEP}{name}"));
        }
    }
    let memory_module = memory_module.context("the component exports no function")?;

    let mut refused = BTreeMap::new();
    let mut with_room = 0;
    let mut command = Command::new(binaryen.join("wasm-merge"));
    for (index, module) in outline.modules.iter().enumerate() {
        if is_shim(module)? {
            continue;
        }
        let widened;
        let module = if stack::frees(module)? {
            with_room += 1;
            widened = stack::with_room(module)?;
            &widened
        } else {
            *module
        };
        let types = refusals::import_types(module)?;
        let rewired = rewrite::imports(module, |from, name| {
            let key = (from.to_owned(), name.to_owned());
            Ok(match &outline.imports[index][&key] {
                Definition::Module { module, export } => (module_name(*module), export.clone()),
                Definition::Host {
                    interface,
                    function,
                } if refusals::refused(interface) => {
                    let whole = format!("{}#{function}", interface);
                    let (_, _, ty) = types
                        .iter()
                        .find(|(module, item, _)| (module.as_str(), item.as_str()) == (from, name))
                        .context("a refused import that is no function")?;
                    refused.insert(whole.clone(), ty.clone());
                    (REFUSALS.to_owned(), whole)
                }
                Definition::Host {
                    interface,
                    function,
                } => (interface.clone(), function.clone()),
                Definition::Other => bail!("nobody provides `{from}` `{name}`"),
            })
        })?;
        let marked = rewrite::exports(&rewired, |name| {
            let mut names = vec![name.to_owned()];
            names.extend(keep.get(&(index, name)).into_iter().flatten().cloned());
            names
        })?;
        let path = work.join(format!("{index}.wasm"));
        fs::write(&path, marked)?;
        command.arg(&path).arg(module_name(index));
    }
    ensure!(with_room == 1, "{with_room} modules free objects");
    let refused: Vec<_> = refused.into_iter().collect();
    let refusals = refusals::module(&refused).finish();
    let refusals = rewrite::imports(&refusals, |_, name| {
        Ok((module_name(memory_module), name.to_owned()))
    })?;
    let path = work.join("refusals.wasm");
    fs::write(&path, refusals)?;
    command.arg(&path).arg(REFUSALS);

    let merged = work.join("merged.wasm");
    command
        .args(FEATURES)
        .arg("--rename-export-conflicts")
        .arg("-o")
        .arg(&merged);
    run(command)?;
    let merged = fs::read(&merged)?;
    rewrite::exports(&merged, |name| {
        name.strip_prefix(KEEP)
            .map(str::to_owned)
            .into_iter()
            .collect()
    })
}

fn optimise(binaryen: &Path, work: &Path, module: &[u8]) -> Result<Vec<u8>> {
    let before = work.join("wired.wasm");
    let after = work.join("optimised.wasm");
    fs::write(&before, module)?;
    let mut command = Command::new(binaryen.join("wasm-opt"));
    command
        .args(FEATURES)
        .args(["--duplicate-import-elimination", "-O3"])
        .args(["--strip-debug", "--strip-producers"])
        .arg(&before)
        .arg("-o")
        .arg(&after);
    run(command)?;
    Ok(fs::read(after)?)
}

/// Wraps the module into a component with the world of the original, less
/// what was left out.
fn encode(original: &[u8], module: &[u8]) -> Result<Vec<u8>> {
    let DecodedWasm::Component(mut resolve, world) = wit_parser::decoding::decode(original)? else {
        bail!("the input is not a component");
    };
    let names: HashMap<WorldKey, String> = resolve.worlds[world]
        .imports
        .keys()
        .map(|key| (key.clone(), resolve.name_world_key(key)))
        .collect();
    let contents = &mut resolve.worlds[world];
    contents
        .imports
        .retain(|key, _| !refusals::refused(&names[key]));
    contents
        .exports
        .retain(|_, item| matches!(item, WorldItem::Function(_)));
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(
        &mut module,
        &resolve,
        world,
        StringEncoding::UTF8,
        false,
    )?;
    ComponentEncoder::default()
        .module(&module)?
        .validate(true)
        .encode()
}

fn module_name(index: usize) -> String {
    format!("m{index}")
}

fn place(definition: &Definition) -> Result<(usize, &str)> {
    match definition {
        Definition::Module { module, export } => Ok((*module, export)),
        other => bail!("{other:?} is not in a core module"),
    }
}

fn export_names(module: &[u8]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(module) {
        if let wasmparser::Payload::ExportSection(section) = payload? {
            for export in section {
                names.push(export?.name.to_owned());
            }
        }
    }
    Ok(names)
}

/// Whether this is the linker's table of indirect calls or what fills it.
fn is_shim(module: &[u8]) -> Result<bool> {
    let table = "$imports";
    Ok(export_names(module)?.iter().any(|name| name == table)
        || outline::import_names(module)?
            .iter()
            .any(|(_, name)| name == table))
}

fn run(mut command: Command) -> Result<()> {
    let program = command.get_program().display().to_string();
    let status = command
        .status()
        .with_context(|| format!("`{program}` cannot be run"))?;
    ensure!(status.success(), "`{program}` failed: {status}");
    Ok(())
}
