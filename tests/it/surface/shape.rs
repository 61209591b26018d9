//! The keys and types of JSON values, without the values.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Fields that hold an object with names of things as keys, not with names of fields.
const MAPS: [&str; 1] = ["fresh_ages_seconds"];

/// The types of several values at the same place.
#[derive(Debug, Default)]
pub(super) struct Shape {
    types: BTreeSet<&'static str>,
    /// How many of the values are objects.
    objects: usize,
    /// The fields of these objects, each with the number of objects that have it.
    fields: BTreeMap<String, (Shape, usize)>,
    /// The mark of a list `[]` or of a map `{}`, and the shape of its items.
    items: Option<(&'static str, Box<Shape>)>,
    /// How many items were found.
    count: usize,
}

impl Shape {
    /// Adds a value, found in the field `name`.
    pub(super) fn add(&mut self, value: &Value, name: &str) {
        match value {
            Value::Null => self.add_type("null"),
            Value::Bool(_) => self.add_type("bool"),
            Value::Number(number) if number.is_f64() => self.add_type("float"),
            Value::Number(_) => self.add_type("int"),
            Value::String(_) => self.add_type("string"),
            Value::Array(items) => self.add_items("[]", items.iter()),
            Value::Object(fields) if MAPS.contains(&name) => self.add_items("{}", fields.values()),
            Value::Object(fields) => {
                self.objects += 1;
                for (name, value) in fields {
                    let (shape, count) = self.fields.entry(name.clone()).or_default();
                    shape.add(value, name);
                    *count += 1;
                }
            }
        }
    }

    fn add_type(&mut self, name: &'static str) {
        self.types.insert(name);
    }

    fn add_items<'v>(&mut self, mark: &'static str, items: impl Iterator<Item = &'v Value>) {
        let (_, shape) = self.items.get_or_insert_with(|| (mark, Box::default()));
        for item in items {
            shape.add(item, "");
            self.count += 1;
        }
    }

    /// The lines of a golden, sorted: the path of each field and its types. `?` marks a field that some
    /// objects do not have; `[]` and `{}` alone mark a list and a map that were always empty.
    pub(super) fn lines(&self) -> BTreeSet<String> {
        let mut lines = BTreeSet::new();
        self.write("", &mut lines);
        lines
    }

    fn write(&self, path: &str, lines: &mut BTreeSet<String>) {
        let mut types = self.types.clone();
        if let Some((mark, _)) = self.items.as_ref().filter(|_| self.count == 0) {
            types.insert(mark);
        }
        // The fields show that this is an object, unless it is something else too.
        if self.objects > 0 && (!types.is_empty() || self.fields.is_empty()) {
            types.insert("object");
        }
        if !types.is_empty() {
            lines.insert(format!("{path}: {}", types.into_iter().collect::<Vec<_>>().join("|")));
        }
        for (name, (shape, count)) in &self.fields {
            let dot = if path.is_empty() { "" } else { "." };
            let mark = if *count < self.objects { "?" } else { "" };
            shape.write(&format!("{path}{dot}{name}{mark}"), lines);
        }
        if let Some((mark, shape)) = &self.items {
            shape.write(&format!("{path}{mark}"), lines);
        }
    }
}
