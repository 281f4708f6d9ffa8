//! `component`: what is embedded, and taking it along.

use super::output::{Failure, Output};
use provident_identity::{Adapter, ComponentDescription, Identity, Limits};
use serde::Serialize;

/// The identity component's own facts at the top, and a line for every embedded component.
#[derive(Serialize)]
struct EmbeddedComponents {
    #[serde(flatten)]
    identity: Option<Embedded>,
    components: Vec<Embedded>,
}

/// One embedded component: what it is, and what it says of itself.
#[derive(Clone, Serialize)]
struct Embedded {
    #[serde(flatten)]
    component: ComponentDescription,
    #[serde(flatten)]
    says: Says,
}

#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Says {
    Identity { grammar_version: u32, limits: Limits },
    Adapter { provider_key: String, version: String, limits: AdapterLimits },
}

#[derive(Clone, Serialize)]
struct AdapterLimits {
    document_bytes: usize,
}

fn describe(component: ComponentDescription) -> Result<Embedded, Failure> {
    let says = if component.name == "identity" {
        let about = Identity::embedded()?.about()?;
        Says::Identity { grammar_version: about.grammar_version, limits: about.limits }
    } else {
        let about = Adapter::embedded(component.name)?.about()?;
        let limits = AdapterLimits { document_bytes: Adapter::DOCUMENT_BYTES };
        Says::Adapter { provider_key: about.provider_key, version: about.version, limits }
    };
    Ok(Embedded { component, says })
}

/// `component info`.
pub(super) fn info(output: &Output) -> Result<(), Failure> {
    let components = provident_identity::components()?.into_iter().map(describe).collect::<Result<Vec<_>, _>>()?;
    let identity = components.iter().find(|embedded| matches!(embedded.says, Says::Identity { .. })).cloned();
    let embedded = EmbeddedComponents { identity, components };
    output.show(&embedded, |table| {
        table.head(&["component", "sha256", "bytes", "imports", "contract", "speaks"]);
        for Embedded { component, says } in &embedded.components {
            table.row([
                component.name.to_owned(),
                component.sha256.to_owned(),
                component.bytes.to_string(),
                component.imports.len().to_string(),
                component.contract_version.clone(),
                match says {
                    Says::Identity { grammar_version, .. } => format!("key grammar {grammar_version}"),
                    Says::Adapter { provider_key, version, .. } => format!("{provider_key}, adapter {version}"),
                },
            ]);
        }
        for Embedded { component, says } in &embedded.components {
            table.note(match says {
                Says::Identity { limits, .. } => format!(
                    "limits of {}: line {} bytes, batch {} bytes, key {} bytes, type {} bytes, value {} bytes, \
                     label {} bytes, note {} characters",
                    component.name,
                    limits.line_bytes,
                    limits.batch_bytes,
                    limits.key_bytes,
                    limits.type_bytes,
                    limits.value_bytes,
                    limits.label_bytes,
                    limits.note_chars
                ),
                Says::Adapter { limits, .. } => {
                    format!("limits of {}: document {} bytes", component.name, limits.document_bytes)
                }
            });
        }
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
