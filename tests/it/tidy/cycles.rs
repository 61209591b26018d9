//! No two modules at the top of a crate use each other, directly or through others.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};

use super::source::{Source, enclosed, first_word, parts, product};

/// The names that each module uses.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Uses that close a cycle in `node/core`: the module, and the module that it uses. Entries only go.
const CORE: &[(&str, &str)] = &[];
/// The same in `engine`.
const ENGINE: &[(&str, &str)] = &[];

#[test]
fn modules_of_core_use_each_other_in_one_direction() -> Result<()> {
    check("node/core/src/", CORE)
}

#[test]
fn modules_of_engine_use_each_other_in_one_direction() -> Result<()> {
    check("engine/src/", ENGINE)
}

fn check(src: &str, listed: &[(&str, &str)]) -> Result<()> {
    let mut graph = graph_of(&product()?, src);
    ensure!(graph.len() > 5, "{src} has {} modules, this test reads it wrong", graph.len());
    for (from, to) in listed {
        let is_used = graph.get_mut(*from).is_some_and(|names| names.remove(*to));
        ensure!(is_used, "{src}{from} does not use {to} any more: remove the entry");
    }
    let mut cycles = Vec::new();
    for (from, names) in &graph {
        let back = names.iter().filter(|to| reaches(&graph, to, from));
        cycles.extend(back.map(|to| format!("{from} -> {to}")));
    }
    ensure!(cycles.is_empty(), "{src}: these uses are part of a cycle: {}", cycles.join(", "));
    for (from, to) in listed {
        ensure!(
            reaches(&graph, to, from),
            "{src}: {from} -> {to} closes no cycle any more: remove the entry"
        );
    }
    Ok(())
}

/// The modules at the top of the crate in `src`, and the modules that each of them uses.
fn graph_of(sources: &[Source], src: &str) -> Graph {
    let mut graph = Graph::new();
    for source in sources {
        if let Some(module) = module_of(&source.file, src) {
            graph.entry(module.to_owned()).or_default().extend(named(&source.code));
        }
    }
    let modules: BTreeSet<String> = graph.keys().cloned().collect();
    for (module, names) in &mut graph {
        names.retain(|name| name != module && modules.contains(name));
    }
    graph
}

/// The module at the top of the crate in `src` that `file` belongs to. `None` for the root and for tests.
fn module_of<'a>(file: &'a str, src: &str) -> Option<&'a str> {
    let path = file.strip_prefix(src)?.strip_suffix(".rs")?;
    let is_test = path == "tests" || path.ends_with("/tests") || format!("/{path}").contains("/tests/");
    let module = path.split('/').next()?;
    (!is_test && module != "lib" && module != "main").then_some(module)
}

/// The names that follow `crate::`; those in the braces of a `use` too.
fn named(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for path in code.split("crate::").skip(1) {
        if path.starts_with('{') {
            names.extend(parts(enclosed(path)).iter().map(|part| first_word(part).to_owned()));
        } else {
            names.insert(first_word(path).to_owned());
        }
    }
    names
}

/// Whether `to` can be reached from `from`.
fn reaches(graph: &Graph, from: &str, to: &str) -> bool {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![from]);
    while let Some(module) = waiting.pop() {
        if module == to {
            return true;
        }
        for next in graph.get(module).into_iter().flatten() {
            if seen.insert(next) {
                waiting.push(next.as_str());
            }
        }
    }
    false
}
