//! What differs between two manifests, by the path of the key.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// A value that differs.
pub struct Change {
    /// Where it stands: `evaluation.budgets`, `router.kNN.k`.
    pub key: String,
    /// In the first run, if it is there.
    pub a: Option<Value>,
    /// In the second run, if it is there.
    pub b: Option<Value>,
}

impl Change {
    /// A value as a reader writes it.
    pub fn written(value: Option<&Value>) -> String {
        match value {
            None => "–".to_owned(),
            Some(Value::String(text)) => text.trim().replace('\n', " "),
            Some(value) => value.to_string(),
        }
    }
}

/// What differs between two values below `key`. Routers are matched by their labels, wherever they stand in the list.
pub fn changes(key: &str, a: &Value, b: &Value) -> Vec<Change> {
    let mut found = Vec::new();
    compare(key, Some(a), Some(b), &mut found);
    found
}

fn compare(key: &str, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<Change>) {
    if a == b {
        return;
    }
    let (inner_a, inner_b) = (a.and_then(entries), b.and_then(entries));
    if let (Some(inner_a), Some(inner_b)) = (inner_a, inner_b) {
        let names: BTreeSet<&String> = inner_a.keys().chain(inner_b.keys()).collect();
        for name in names {
            let plain = |character: char| {
                character.is_alphanumeric() || character == '_' || character == '-'
            };
            let name_written = if name.chars().all(plain) {
                name.clone()
            } else {
                format!("{name:?}")
            };
            let path = if key.is_empty() {
                name_written
            } else {
                format!("{key}.{name_written}")
            };
            compare(&path, inner_a.get(name), inner_b.get(name), found);
        }
        return;
    }
    found.push(Change {
        key: key.to_owned(),
        a: a.cloned(),
        b: b.cloned(),
    });
}

/// The parts of a value that have names: those of a table, or of a list of tables that name themselves.
fn entries(value: &Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(table) => Some(table.clone()),
        Value::Array(list) if !list.is_empty() => list
            .iter()
            .map(|entry| {
                let name = ["label", "seed", "file"]
                    .iter()
                    .find_map(|key| entry.get(key))?;
                let name = name.as_str().map_or(name.to_string(), str::to_owned);
                Some((name, entry.clone()))
            })
            .collect(),
        _ => None,
    }
}
