//! What the program makes of an export: the answers of `provident key derive`, as far as the story needs them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::terminal::Wrong;

/// One object of an export.
#[derive(Debug)]
pub(crate) struct Object {
    /// What people call it; targets have no name of their own.
    pub(crate) label: Option<String>,
    pub(crate) class: String,
    pub(crate) key: String,
}

/// Everything in an export.
#[derive(Debug)]
pub(crate) struct Export(pub(crate) Vec<Object>);

impl Export {
    /// Reads the answers, one a line.
    pub(crate) fn read(answers: &str) -> Result<Self, Wrong> {
        let text = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let object = |line: &str| {
            let answer: Value = serde_json::from_str(line).ok()?;
            let label = text(&answer, "/ok/descriptor/display_label");
            let class = text(&answer, "/ok/descriptor/subject_class")?;
            Some(Object { label, class, key: text(&answer, "/ok/key")? })
        };
        let objects: Option<Vec<Object>> = answers.lines().map(object).collect();
        objects.map(Self).ok_or_else(|| Wrong::new("an object of the export was not answered with a key"))
    }

    /// How many objects carry each label; those without one carry none.
    pub(crate) fn labels(&self) -> BTreeMap<&str, usize> {
        let mut labels = BTreeMap::new();
        for label in self.0.iter().filter_map(|object| object.label.as_deref()) {
            *labels.entry(label).or_insert(0) += 1;
        }
        labels
    }

    pub(crate) fn keys(&self) -> BTreeSet<&str> {
        self.0.iter().map(|object| object.key.as_str()).collect()
    }

    /// The keys of the objects with a label.
    pub(crate) fn keys_labelled(&self, label: &str) -> BTreeSet<&str> {
        let labelled = self.0.iter().filter(|object| object.label.as_deref() == Some(label));
        labelled.map(|object| object.key.as_str()).collect()
    }

    /// The key of the one object with a label.
    pub(crate) fn key_labelled(&self, label: &str) -> Result<&str, Wrong> {
        let keys = self.keys_labelled(label);
        match (keys.first(), keys.len()) {
            (Some(key), 1) => Ok(key),
            _ => Err(Wrong::new(format!("`{label}` is not the label of one object"))),
        }
    }

    /// Whether a label, or a word of one, stands in a key.
    pub(crate) fn has_label_in_key(&self) -> bool {
        self.0.iter().any(|object| {
            let escaped = object.label.as_deref().map(|label| (label, label.replace(' ', "%20")));
            escaped.is_some_and(|(label, escaped)| object.key.contains(label) || object.key.contains(&escaped))
        })
    }
}
