//! `docs/json.md`, made from the types of the answers and from the table of old names. `CHUAN_BLESS=1` writes
//! it anew. The golden `json.txt` has the keys that the commands really print; both must agree.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use chuan_api::{
    json::{ErrorObject, ProgressLine, RENAMED, Ready, SCHEMA},
    outcome,
};
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;

use super::golden;

/// The text above the tables.
const HEAD: &str = include_str!("../../surface/json_head.md");

/// A key of an answer, or a list.
#[derive(Clone, Debug, Default)]
struct Key {
    /// The keys that lead to it, with `[]` after a list and `{}` after a map.
    path: String,
    types: BTreeSet<&'static str>,
    is_optional: bool,
    meaning: String,
    /// The new name, if this one is old.
    renamed: Option<&'static str>,
}

/// An answer: its keys by path.
type Model = BTreeMap<String, Key>;

#[test]
fn the_page_about_json_agrees_with_the_types_and_with_real_outputs() -> Result<()> {
    let shapes = fs::read_to_string(golden("json.txt"))?;
    let sections = sections(&shapes)?;
    let mut commands: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (heading, lines) in &sections {
        let answer =
            answer_of(heading).with_context(|| format!("`{heading}` has no answer in document.rs"))?;
        compare(heading, &model(answer), lines)?;
        commands.entry(answer).or_default().push(heading);
    }
    for renamed in RENAMED {
        let place = [renamed.at.join("."), renamed.old.to_owned()].join(".");
        let answers = ANSWERS.iter().filter(|(answer, _)| {
            *answer == renamed.answer || (renamed.answer == "rows" && rows_of(answer).is_some())
        });
        let is_known = answers.map(|(answer, _)| model(answer)).any(|model| {
            model.values().any(|key| {
                key.renamed == Some(renamed.new) && key.path.trim_end_matches("[]").ends_with(renamed.old)
            })
        });
        ensure!(is_known, "no answer has the old name `{place}` of {}", renamed.answer);
    }
    check_page(&page(&commands))
}

/// Makes the schema of a type.
type SchemaOf = fn() -> Value;

/// The answers, each with the schema of its type.
const ANSWERS: &[(&str, SchemaOf)] = &[
    ("id", schema::<outcome::Identity>),
    ("status", schema::<outcome::Status>),
    ("publish", schema::<outcome::Published>),
    ("pull", schema::<outcome::Pulled>),
    ("restore", schema::<outcome::Restored>),
    ("releases", schema::<outcome::ReleaseList>),
    ("ls", schema::<outcome::Listed>),
    ("diff", schema::<outcome::Differed>),
    ("verify", schema::<outcome::Verified>),
    ("rebuild", schema::<outcome::Rebuilt>),
    ("invite", schema::<outcome::Invited>),
    ("join", schema::<outcome::Joined>),
    ("members", schema::<outcome::MemberList>),
    ("member", schema::<outcome::MemberChanged>),
    ("rotate", schema::<outcome::Rotated>),
    ("channels", schema::<outcome::ChannelList>),
    ("channel", schema::<outcome::ChannelMoved>),
    ("history", schema::<outcome::ChannelHistory>),
    ("fresh", schema::<outcome::Vouched>),
    ("policy", schema::<outcome::PolicyShown>),
    ("preview", schema::<outcome::Preview>),
    ("conflicts", schema::<outcome::ConflictList>),
    ("request", schema::<outcome::RequestShown>),
    ("key", schema::<outcome::KeyShown>),
    ("root", schema::<outcome::RootShown>),
    ("fingerprint", schema::<outcome::Fingerprints>),
    ("statements", schema::<outcome::Carried>),
    ("offer", schema::<outcome::Offered>),
    ("audit", schema::<outcome::Audited>),
    ("audit_verify", schema::<outcome::AuditVerified>),
    ("audit_checkpoint", schema::<outcome::CheckpointShown>),
    ("ledger", schema::<outcome::LedgerShown>),
    ("ledger_kept", schema::<outcome::LedgerKept>),
    ("home_backed_up", schema::<outcome::HomeBackedUp>),
    ("home_restored", schema::<outcome::HomeRestored>),
    ("home_moved", schema::<outcome::HomeMoved>),
    ("ready", schema::<Ready>),
    ("progress", schema::<ProgressLine<'static>>),
    ("error", schema::<ErrorObject>),
    ("record", schema::<outcome::AuditRecord>),
];

/// The answer of a command, which is the heading of a section of `json.txt`.
fn answer_of(heading: &str) -> Option<&'static str> {
    let answer = match heading {
        "--progress json of any command" => "progress",
        "an error of any command" => "error",
        "audit export to standard output" => "record",
        "init" | "id" => "id",
        "serve" => "ready",
        "grant" | "revoke" => "member",
        "channel list" => "channels",
        "channel set" | "promote" | "rollback" => "channel",
        "audit tail" | "audit show" | "audit export" => "audit",
        "audit verify" => "audit_verify",
        "audit checkpoint" => "audit_checkpoint",
        "ledger show" => "ledger",
        "ledger keep" => "ledger_kept",
        "home backup" => "home_backed_up",
        "home restore" => "home_restored",
        "home move" => "home_moved",
        "root fingerprint" => "fingerprint",
        "root export" | "statements export" => "statements",
        "root apply" | "statements import" | "found" => "offer",
        "sign" => "request",
        _ if heading.ends_with(" --request") => "request",
        _ if heading.ends_with(" --dry-run") => "preview",
        _ => {
            let group = heading.split(' ').next().unwrap_or_default();
            return ANSWERS.iter().find(|(answer, _)| *answer == group).map(|(answer, _)| *answer);
        }
    };
    Some(answer)
}

/// The list of rows in an answer, and the key that only its rows have.
fn rows_of(answer: &str) -> Option<(&'static str, &'static str)> {
    match answer {
        "ls" => Some(("entries[]", "kind")),
        "diff" | "restore" => Some(("changes[]", "change")),
        "audit" => Some(("records[]", "verb")),
        _ => None,
    }
}

fn schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12().for_serialize();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<T>().to_value()
}

/// The keys of an answer.
fn model(answer: &str) -> Model {
    let mut model = Model::new();
    let found = ANSWERS.iter().find(|(name, _)| *name == answer);
    if let Some((_, schema)) = found {
        add_fields(&mut model, "", &schema());
    }
    if let Some((list, mark)) = rows_of(answer) {
        let rows = schema::<outcome::Row>();
        let is_row = |row: &&Value| row.pointer(&format!("/properties/{mark}")).is_some();
        if let Some(row) = variants(&rows).into_iter().find(is_row) {
            // A command without a row prints the list, too, except `audit export`.
            let meaning = text_of(row, "description");
            add(
                &mut model,
                Key { path: list.to_owned(), types: ["object"].into(), meaning, ..Key::default() },
            );
            add_fields(&mut model, list, row);
        }
    }
    let of_rows = rows_of(answer).map(|(list, _)| list);
    for renamed in RENAMED {
        let at = match of_rows {
            Some(list) if renamed.answer == "rows" => list.to_owned(),
            _ if renamed.answer == answer => renamed.at.join("."),
            _ => continue,
        };
        let (new, old) = (under(&at, renamed.new), under(&at, renamed.old));
        let copies: Vec<Key> = model
            .values()
            .filter_map(|key| {
                let rest = key.path.strip_prefix(&new).filter(|rest| rest.is_empty() || is_below(rest))?;
                let path = format!("{old}{rest}");
                Some(Key { path, renamed: Some(renamed.new), ..key.clone() })
            })
            .collect();
        copies.into_iter().for_each(|key| add(&mut model, key));
    }
    model
}

fn is_below(rest: &str) -> bool {
    rest.starts_with(['.', '[', '{'])
}

fn under(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn text_of(schema: &Value, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// The alternatives of a schema, or the schema itself.
fn variants(schema: &Value) -> Vec<&Value> {
    let lists = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key)?.as_array());
    lists.map_or_else(|| vec![schema], |list| list.iter().flat_map(variants).collect())
}

fn add(model: &mut Model, key: Key) {
    let known =
        model.entry(key.path.clone()).or_insert_with(|| Key { types: BTreeSet::new(), ..key.clone() });
    known.types.extend(key.types);
    known.is_optional |= key.is_optional;
}

/// Adds the fields of an object. A field that only some of its variants have is optional.
fn add_fields(model: &mut Model, path: &str, schema: &Value) {
    let variants = variants(schema);
    let objects: Vec<_> =
        variants.iter().filter_map(|schema| schema.get("properties")?.as_object()).collect();
    for variant in &variants {
        let required: BTreeSet<&str> = variant
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, field) in variant.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let is_common = objects.iter().all(|object| object.contains_key(name));
            let is_optional = !is_common || !required.contains(name.as_str());
            add_value(model, &under(path, name), field, is_optional, &text_of(field, "description"));
        }
    }
}

fn add_value(model: &mut Model, path: &str, schema: &Value, is_optional: bool, meaning: &str) {
    let key = |path: &str, types: BTreeSet<&'static str>| Key {
        path: path.to_owned(),
        types,
        is_optional,
        meaning: meaning.to_owned(),
        renamed: None,
    };
    let variants = variants(schema);
    let types: BTreeSet<&str> = variants.iter().flat_map(|variant| types_of(variant)).collect();
    let items =
        |key: &str| variants.iter().find_map(|variant| variant.get(key).filter(|value| value.is_object()));
    if let Some(item) = items("items") {
        return add_value(model, &format!("{path}[]"), item, is_optional, meaning);
    }
    if let Some(item) = items("additionalProperties") {
        return add_value(model, &format!("{path}{{}}"), item, is_optional, meaning);
    }
    add(model, key(path, types));
    add_fields(model, path, schema);
}

/// The types of a schema without alternatives, as `json.txt` names them.
fn types_of(schema: &Value) -> Vec<&'static str> {
    let names = match schema.get("type") {
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(name)) => vec![name.as_str()],
        _ => Vec::new(),
    };
    let name = |name| match name {
        "integer" => "int",
        "number" => "float",
        "boolean" => "bool",
        "null" => "null",
        "string" => "string",
        _ => "object",
    };
    names.into_iter().map(name).collect()
}

/// The paths in the outputs of a command, with their types.
type Paths<'a> = Vec<(String, BTreeSet<&'a str>)>;

/// The sections of `json.txt`: the heading of each, and its paths.
fn sections(text: &str) -> Result<Vec<(&str, Paths<'_>)>> {
    let mut sections: Vec<(&str, Vec<_>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(heading) = line.strip_prefix("## ") {
            sections.push((heading, Vec::new()));
            continue;
        }
        let (path, types) = line.split_once(": ").with_context(|| format!("not a path and types: {line}"))?;
        let section = sections.last_mut().context("a line before the first heading")?;
        section.1.push((path.to_owned(), types.split('|').collect()));
    }
    ensure!(sections.len() > 40, "json.txt is read wrong: {} sections", sections.len());
    Ok(sections)
}

/// Fails if real outputs have a key or a type that the model lacks, or lack a key that the model always has.
fn compare(heading: &str, model: &Model, lines: &[(String, BTreeSet<&str>)]) -> Result<()> {
    let plain = |path: &str| path.replace('?', "");
    for (path, types) in lines.iter().filter(|(path, _)| path != "schema") {
        let is_empty_list = types.iter().all(|name| matches!(*name, "[]" | "{}"));
        let (path, is_absent_sometimes) =
            (plain(path), path.rsplit('.').next().is_some_and(|name| name.contains('?')));
        let key = [path.clone(), format!("{path}[]"), format!("{path}{{}}")]
            .iter()
            .find_map(|path| model.get(path));
        let key = key.with_context(|| format!("{heading}: no type has the key `{path}`"))?;
        let known = is_empty_list || types.iter().all(|name| key.types.contains(name));
        ensure!(known, "{heading}: `{path}` is {types:?}, its type says {:?}", key.types);
        ensure!(key.is_optional || !is_absent_sometimes, "{heading}: `{path}` is not always there");
    }
    let seen: BTreeSet<String> = lines.iter().map(|(path, _)| plain(path)).collect();
    for key in model.values().filter(|key| !key.is_optional && !key.types.contains("object")) {
        let place = key.path.trim_end_matches("[]").trim_end_matches("{}");
        let above = place.rsplit_once('.').map_or("", |(above, _)| above);
        let has_above = above.is_empty() || seen.iter().any(|path| path.starts_with(&format!("{above}.")));
        // `audit export` writes its records to a file.
        let is_there = !has_above || seen.iter().any(|path| path == place || path.starts_with(&key.path));
        ensure!(is_there, "{heading}: no output has the key `{}`", key.path);
    }
    Ok(())
}

/// The page.
fn page(commands: &BTreeMap<&str, Vec<&str>>) -> String {
    let mut text = HEAD.replace("{SCHEMA}", &SCHEMA.to_string());
    for (answer, _) in ANSWERS {
        let commands: BTreeSet<&str> = commands.get(answer).into_iter().flatten().copied().collect();
        let requests = commands.iter().any(|command| command.ends_with(" --request"));
        let named = commands.iter().filter(|command| !command.ends_with(" --request"));
        let mut group = "";
        let mut names: Vec<String> = Vec::new();
        for command in named {
            // Of `root show` after `root init`, only `show` is written.
            let rest = command.split_once(' ').filter(|(first, _)| *first == group).map(|(_, rest)| rest);
            names.push(rest.map_or_else(|| heading(command), |rest| format!("`{rest}`")));
            group = command.split(' ').next().unwrap_or_default();
        }
        if requests {
            names.push("any act with `--request`".to_owned());
        }
        let _ = write!(text, "\n## {}\n\n| key | type | meaning |\n| --- | --- | --- |\n", names.join(", "));
        for key in model(answer).values() {
            row(&mut text, key);
        }
    }
    text
}

fn heading(command: &str) -> String {
    match command {
        "--progress json of any command" => "Lines of `--progress json` on standard error".to_owned(),
        "an error of any command" => "An error of any command".to_owned(),
        "audit export to standard output" => "Lines of `audit export`".to_owned(),
        command => format!("`{command}`"),
    }
}

fn row(text: &mut String, key: &Key) {
    let types: Vec<&str> = key.types.iter().copied().filter(|name| *name != "null").collect();
    let null = if key.types.contains("null") { " or null" } else { "" };
    let absent = if key.is_optional { ", may be absent" } else { "" };
    let meaning = match key.renamed {
        // The keys below an old name are those below the new one.
        Some(_) if key.path.contains(&format!("{}.", old_name(key))) => return,
        Some(new) => format!("deprecated: `{new}`"),
        None => key.meaning.replace('|', "\\|"),
    };
    let meaning = meaning.replace("[named](Self::named)", "named");
    let _ = writeln!(text, "| `{}` | {}{null}{absent} | {meaning} |", key.path, types.join(" or "));
}

/// The old name in the path of a key.
fn old_name(key: &Key) -> &'static str {
    let of_new = RENAMED.iter().filter(|renamed| key.renamed == Some(renamed.new));
    let found = of_new.map(|renamed| renamed.old).find(|old| key.path.split('.').any(|name| name == *old));
    found.unwrap_or("\0")
}

fn check_page(found: &str) -> Result<()> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json.md");
    if env::var_os("CHUAN_BLESS").is_some() {
        return fs::write(&path, found).with_context(|| format!("write {}", path.display()));
    }
    let wanted = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    ensure!(
        wanted == found,
        "docs/json.md differs from the types; CHUAN_BLESS=1 writes it anew\n{}",
        super::difference(&wanted, found)
    );
    Ok(())
}
