//! Changing the imports and exports of a core module, and nothing else.

use anyhow::Result;
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    DataCountSection, DataSection, ExportSection, ImportSection, Module, RawSection,
};
use wasmparser::{Parser, Payload};

/// Gives each import the module name and name that `name` says.
///
/// `name` gets the old module name and name.
pub fn imports(
    module: &[u8],
    mut name: impl FnMut(&str, &str) -> Result<(String, String)>,
) -> Result<Vec<u8>> {
    sections(module, |payload| {
        let Payload::ImportSection(section) = payload else {
            return Ok(None);
        };
        let mut imports = ImportSection::new();
        for import in section.clone().into_imports() {
            let import = import?;
            let (from, item) = name(import.module, import.name)?;
            imports.import(&from, &item, RoundtripReencoder.entity_type(import.ty)?);
        }
        Ok(Some(Section::Imports(imports)))
    })
}

/// Replaces the exports: `names` gets each old name and gives all new ones.
pub fn exports(module: &[u8], mut names: impl FnMut(&str) -> Vec<String>) -> Result<Vec<u8>> {
    sections(module, |payload| {
        let Payload::ExportSection(section) = payload else {
            return Ok(None);
        };
        let mut exports = ExportSection::new();
        for export in section.clone() {
            let export = export?;
            for name in names(export.name) {
                let kind = RoundtripReencoder.export_kind(export.kind)?;
                exports.export(&name, kind, export.index);
            }
        }
        Ok(Some(Section::Exports(exports)))
    })
}

/// Replaces the data segments.
pub fn data(module: &[u8], segments: &DataSection) -> Result<Vec<u8>> {
    sections(module, |payload| {
        Ok(match payload {
            Payload::DataSection(_) => Some(Section::Data(segments.clone())),
            Payload::DataCountSection { .. } => Some(Section::DataCount(DataCountSection {
                count: segments.len(),
            })),
            _ => None,
        })
    })
}

enum Section {
    Imports(ImportSection),
    Exports(ExportSection),
    DataCount(DataCountSection),
    Data(DataSection),
}

fn sections(
    module: &[u8],
    mut replace: impl FnMut(&Payload) -> Result<Option<Section>>,
) -> Result<Vec<u8>> {
    let mut rewritten = Module::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload?;
        match replace(&payload)? {
            Some(Section::Imports(imports)) => {
                rewritten.section(&imports);
            }
            Some(Section::Exports(exports)) => {
                rewritten.section(&exports);
            }
            Some(Section::DataCount(count)) => {
                rewritten.section(&count);
            }
            Some(Section::Data(data)) => {
                rewritten.section(&data);
            }
            None => {
                if let Some((id, range)) = payload.as_section()
                    // The linker's own notes: about libraries that are no more.
                    && !matches!(&payload, Payload::CustomSection(section) if section.name() != "name")
                {
                    let range = usize::try_from(range.start)?..usize::try_from(range.end)?;
                    rewritten.section(&RawSection {
                        id,
                        data: &module[range],
                    });
                }
            }
        }
    }
    Ok(rewritten.finish())
}
