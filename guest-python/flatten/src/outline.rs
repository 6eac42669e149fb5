//! The outer layer of a component: which core module gets what from whom.
//!
//! A component made by a linker has a dozen core modules and hundreds of
//! aliases between them. This module evaluates those aliases: for each import
//! of each core module it says which definition stands behind it. It knows the
//! binary format of components and nothing about what is inside the modules.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use wasmparser::{
    CanonicalFunction, CanonicalOption, ComponentAlias, ComponentExternalKind, ComponentTypeRef,
    ExternalKind, Instance, Parser, Payload,
};

/// What stands behind an import of a core module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Definition {
    /// An export of a core module of the same component.
    Module {
        /// The module, by its position in [`Outline::modules`].
        module: usize,
        /// The export.
        export: String,
    },
    /// A function that the host provides.
    Host {
        /// The interface, with its version.
        interface: String,
        /// The function, or `[resource-drop]NAME`.
        function: String,
    },
    /// Something of the component model that no core module can provide.
    Other,
}

/// A component's core modules and how they are wired.
pub struct Outline<'a> {
    /// The binary of each core module that is instantiated.
    pub modules: Vec<&'a [u8]>,
    /// For each module, what each import (module name, name) is.
    pub imports: Vec<HashMap<(String, String), Definition>>,
    /// The core function behind each exported function, and its clean-up.
    pub exports: Vec<Export>,
}

/// A function that the component exports.
pub struct Export {
    /// Its name.
    pub name: String,
    /// The core function.
    pub function: Definition,
    /// The core function that frees the result, if there is one.
    pub post_return: Option<Definition>,
    /// The memory that its arguments and result are in.
    pub memory: Definition,
    /// The core function that allocates room for its arguments.
    pub realloc: Definition,
}

enum CoreInstance {
    Module {
        module: usize,
        arguments: HashMap<String, usize>,
    },
    Items(HashMap<String, Definition>),
}

#[derive(Default)]
struct Spaces {
    core_functions: Vec<Definition>,
    core_tables: Vec<Definition>,
    core_memories: Vec<Definition>,
    core_globals: Vec<Definition>,
    core_instances: Vec<CoreInstance>,
    functions: Vec<Function>,
    types: Vec<Option<(String, String)>>,
    instances: Vec<Option<String>>,
}

#[derive(Clone)]
enum Function {
    Host(String, String),
    Lifted(Lifted),
}

/// Indices into the core spaces.
#[derive(Clone, Copy)]
struct Lifted {
    function: u32,
    post_return: Option<u32>,
    memory: Option<u32>,
    realloc: Option<u32>,
}

impl<'a> Outline<'a> {
    /// Reads a component.
    pub fn read(component: &'a [u8]) -> Result<Self> {
        let mut spaces = Spaces::default();
        let mut modules = Vec::new();
        let mut exports = Vec::new();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            // The contents of nested modules and components follow their
            // header; only the outermost level matters here.
            match &payload? {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ModuleSection {
                    unchecked_range: range,
                    ..
                } if depth == 1 => {
                    let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
                    modules.push(&component[range]);
                }
                _ if depth != 1 => {}
                Payload::ComponentTypeSection(section) => {
                    for _ in 0..section.count() {
                        spaces.types.push(None);
                    }
                }
                Payload::ComponentImportSection(section) => {
                    for import in section.clone() {
                        let import = import?;
                        spaces.import(import.name.name, import.ty)?;
                    }
                }
                Payload::ComponentAliasSection(section) => {
                    for alias in section.clone() {
                        spaces.alias(alias?)?;
                    }
                }
                Payload::InstanceSection(section) => {
                    for instance in section.clone() {
                        spaces.instantiate(instance?);
                    }
                }
                Payload::ComponentInstanceSection(section) => {
                    for _ in 0..section.count() {
                        spaces.instances.push(None);
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    for function in section.clone() {
                        spaces.canonical(function?)?;
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section.clone() {
                        let export = export?;
                        match export.kind {
                            ComponentExternalKind::Func => {
                                let function = spaces.functions[export.index as usize].clone();
                                if let Function::Lifted(lifted) = function {
                                    exports.push((export.name.name.to_owned(), lifted));
                                }
                                spaces.functions.push(function);
                            }
                            ComponentExternalKind::Instance => spaces.instances.push(None),
                            ComponentExternalKind::Type => spaces.types.push(None),
                            other => bail!("exports of kind {other:?} are not understood"),
                        }
                    }
                }
                _ => {}
            }
        }
        spaces.finish(modules, exports)
    }
}

impl Spaces {
    fn import(&mut self, name: &str, ty: ComponentTypeRef) -> Result<()> {
        match ty {
            ComponentTypeRef::Instance(_) => self.instances.push(Some(name.to_owned())),
            ComponentTypeRef::Type(_) => self.types.push(None),
            other => bail!("the import `{name}` of kind {other:?} is not understood"),
        }
        Ok(())
    }

    fn alias(&mut self, alias: ComponentAlias) -> Result<()> {
        match alias {
            ComponentAlias::InstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let interface = self.instances[instance_index as usize].clone();
                match kind {
                    ComponentExternalKind::Type => self
                        .types
                        .push(interface.map(|interface| (interface, name.to_owned()))),
                    ComponentExternalKind::Func => {
                        let interface = interface.context("an alias into a nested component")?;
                        self.functions
                            .push(Function::Host(interface, name.to_owned()));
                    }
                    other => bail!("an alias of kind {other:?} is not understood"),
                }
            }
            ComponentAlias::CoreInstanceExport {
                kind,
                instance_index,
                name,
            } => {
                let definition = self.core_export(instance_index as usize, name);
                match kind {
                    ExternalKind::Func => self.core_functions.push(definition),
                    ExternalKind::Table => self.core_tables.push(definition),
                    ExternalKind::Memory => self.core_memories.push(definition),
                    ExternalKind::Global => self.core_globals.push(definition),
                    other => bail!("a core alias of kind {other:?} is not understood"),
                }
            }
            ComponentAlias::Outer { .. } => bail!("an outer alias at the outermost level"),
        }
        Ok(())
    }

    fn core_export(&self, instance: usize, name: &str) -> Definition {
        match &self.core_instances[instance] {
            CoreInstance::Module { module, .. } => Definition::Module {
                module: *module,
                export: name.to_owned(),
            },
            CoreInstance::Items(items) => items.get(name).cloned().unwrap_or(Definition::Other),
        }
    }

    fn instantiate(&mut self, instance: Instance) {
        let instance = match instance {
            Instance::Instantiate { module_index, args } => CoreInstance::Module {
                module: module_index as usize,
                arguments: args
                    .iter()
                    .map(|argument| (argument.name.to_owned(), argument.index as usize))
                    .collect(),
            },
            Instance::FromExports(exports) => CoreInstance::Items(
                exports
                    .iter()
                    .map(|export| {
                        let space = match export.kind {
                            ExternalKind::Table => &self.core_tables,
                            ExternalKind::Memory => &self.core_memories,
                            ExternalKind::Global => &self.core_globals,
                            _ => &self.core_functions,
                        };
                        let definition = space[export.index as usize].clone();
                        (export.name.to_owned(), definition)
                    })
                    .collect(),
            ),
        };
        self.core_instances.push(instance);
    }

    fn canonical(&mut self, function: CanonicalFunction) -> Result<()> {
        match function {
            CanonicalFunction::Lift {
                core_func_index,
                options,
                ..
            } => {
                let mut lifted = Lifted {
                    function: core_func_index,
                    post_return: None,
                    memory: None,
                    realloc: None,
                };
                for option in options {
                    match option {
                        CanonicalOption::PostReturn(index) => lifted.post_return = Some(index),
                        CanonicalOption::Memory(index) => lifted.memory = Some(index),
                        CanonicalOption::Realloc(index) => lifted.realloc = Some(index),
                        _ => {}
                    }
                }
                self.functions.push(Function::Lifted(lifted));
            }
            CanonicalFunction::Lower { func_index, .. } => {
                let Function::Host(interface, function) =
                    self.functions[func_index as usize].clone()
                else {
                    bail!("a lifted function is lowered again");
                };
                self.core_functions.push(Definition::Host {
                    interface,
                    function,
                });
            }
            CanonicalFunction::ResourceDrop { resource } => {
                let definition = match &self.types[resource as usize] {
                    Some((interface, resource)) => Definition::Host {
                        interface: interface.clone(),
                        function: format!("[resource-drop]{resource}"),
                    },
                    None => Definition::Other,
                };
                self.core_functions.push(definition);
            }
            other => bail!("the built-in {other:?} is not understood"),
        }
        Ok(())
    }

    fn finish<'a>(
        self,
        modules: Vec<&'a [u8]>,
        exports: Vec<(String, Lifted)>,
    ) -> Result<Outline<'a>> {
        let mut wiring: Vec<Option<&HashMap<String, usize>>> = vec![None; modules.len()];
        for instance in &self.core_instances {
            if let CoreInstance::Module { module, arguments } = instance
                && wiring[*module].replace(arguments).is_some()
            {
                bail!("core module {module} is instantiated twice");
            }
        }
        let shims = Shims::find(&modules, &wiring, &self)?;
        let mut imports = Vec::new();
        for (module, arguments) in modules.iter().zip(&wiring) {
            let mut definitions = HashMap::new();
            for (from, name) in import_names(module)? {
                let instance = *arguments
                    .with_context(|| format!("nothing instantiates the importer of `{from}`"))?
                    .get(&from)
                    .with_context(|| format!("nobody provides `{from}`"))?;
                let definition = shims.resolve(self.core_export(instance, &name));
                definitions.insert((from, name), definition);
            }
            imports.push(definitions);
        }
        let core_function = |index: u32| shims.resolve(self.core_functions[index as usize].clone());
        let exports = exports
            .into_iter()
            .map(|(name, lifted)| {
                let memory = lifted.memory.context("an export without a memory")?;
                let realloc = lifted.realloc.context("an export without an allocator")?;
                Ok(Export {
                    name,
                    function: core_function(lifted.function),
                    post_return: lifted.post_return.map(core_function),
                    memory: self.core_memories[memory as usize].clone(),
                    realloc: core_function(realloc),
                })
            })
            .collect::<Result<_>>()?;
        Ok(Outline {
            modules,
            imports,
            exports,
        })
    }
}

/// Functions that need the memory cannot be lowered before the module that
/// has the memory is instantiated. The linker therefore puts a table between:
/// a shim module calls through it, a fix-up module fills it at the end. In one
/// module there is no such problem, so each export of the shim is replaced by
/// what the fix-up puts into the table under the same name.
struct Shims {
    shim: Option<usize>,
    behind: HashMap<String, Definition>,
}

impl Shims {
    fn find(
        modules: &[&[u8]],
        wiring: &[Option<&HashMap<String, usize>>],
        spaces: &Spaces,
    ) -> Result<Self> {
        let mut behind = HashMap::new();
        let mut shim = None;
        for (module, arguments) in modules.iter().zip(wiring) {
            let names = import_names(module)?;
            let table = names.iter().any(|(_, name)| name == "$imports");
            let (Some(arguments), true) = (arguments, table) else {
                continue;
            };
            for (from, name) in names {
                let definition = spaces.core_export(arguments[&from], &name);
                if name != "$imports" {
                    behind.insert(name, definition);
                } else if let Definition::Module { module, .. } = definition {
                    shim = Some(module);
                }
            }
        }
        Ok(Self { shim, behind })
    }

    fn resolve(&self, definition: Definition) -> Definition {
        match &definition {
            Definition::Module { module, export } if Some(*module) == self.shim => {
                self.behind.get(export).cloned().unwrap_or(definition)
            }
            _ => definition,
        }
    }
}

/// The imports of a core module, as (module name, name).
pub fn import_names(module: &[u8]) -> Result<Vec<(String, String)>> {
    let mut names = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(section) = payload? {
            for import in section.into_imports() {
                let import = import?;
                names.push((import.module.to_owned(), import.name.to_owned()));
            }
        }
    }
    Ok(names)
}
