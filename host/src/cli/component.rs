//! `component`: what is embedded, and taking it along.

use super::output::{Failure, Output};
use provident_identity::{About, ComponentDescription, Identity};
use serde::Serialize;

/// The identity component's own facts, and a line for every embedded component.
#[derive(Serialize)]
struct EmbeddedComponents {
    #[serde(flatten)]
    identity: Option<ComponentDescription>,
    #[serde(flatten)]
    about: About,
    components: Vec<ComponentDescription>,
}

/// `component info`.
pub(super) fn info(output: &Output) -> Result<(), Failure> {
    let about = Identity::embedded()?.about()?;
    let components = provident_identity::components()?;
    let identity = components.iter().find(|component| component.name == "identity").cloned();
    let embedded = EmbeddedComponents { identity, about, components };
    output.show(&embedded, |table| {
        table.head(&["component", "sha256", "bytes", "imports"]);
        for component in &embedded.components {
            table.row([
                component.name.to_owned(),
                component.sha256.to_owned(),
                component.bytes.to_string(),
                component.imports.len().to_string(),
            ]);
        }
        table.note(format!(
            "contract {}, key grammar {}",
            embedded.about.contract_version, embedded.about.grammar_version
        ));
        let limits = embedded.about.limits;
        table.note(format!(
            "limits: line {} bytes, batch {} bytes, key {} bytes, type {} bytes, value {} bytes, label {} bytes, note {} characters",
            limits.line_bytes,
            limits.batch_bytes,
            limits.key_bytes,
            limits.type_bytes,
            limits.value_bytes,
            limits.label_bytes,
            limits.note_chars
        ));
    })
}

/// `component export`: the file, or a component's name and the file.
pub(super) fn export(name_and_file: &[String]) -> Result<(), Failure> {
    let (name, file) = match name_and_file {
        [name, file] => (name.as_str(), file),
        [name] if provident_identity::component_file(name).is_ok() => {
            return Err(Failure::usage(
                "file-required",
                format!("`{name}` is a component: name the file to write too"),
            ));
        }
        [file] => ("identity", file),
        _ => return Err(Failure::usage("file-required", "name the file to write")),
    };
    let component = provident_identity::component_file(name)?;
    std::fs::write(file, component).map_err(|error| Failure::usage("file-unwritable", format!("{file}: {error}")))
}
