//! `policy`: how a library's classes are to be kept. Operators name classes; the statement has their slots,
//! since all members read it. So the names are looked up in the home, which must know the classes.

use std::collections::BTreeMap;

use chuan_engine::statement::{
    ClassPolicy, Library, Losses, NodeRole, Policy, Region, RoleKind, Signed, Verbs, library::Proposed,
};

use super::{
    preview,
    request::{Acted, act},
    words,
};
use crate::{
    command::{Command, ListClasses, PolicyVerb, ReadPolicy, SetPolicy},
    exit::{Failure, Result},
    human::{counted, counted_as},
    keyring::Keyring,
    outcome::{ClassPolicyRow, Outcome, PolicyFinding, PolicyShown},
    policy::{self, PolicyText},
    session::{Session, mismatch},
};

/// The names of the classes that the home knows, by slot.
type Names = BTreeMap<u8, String>;

/// Signs and applies the policy in a file. With a dry run, only shows the changes; with a request file,
/// writes the request for other operators.
pub(super) async fn set(session: &mut Session, keyring: &Keyring, options: SetPolicy) -> Result<Outcome> {
    let text = policy::read(&options.file)?;
    // Before peers are waited for: the classes are those of the releases that are here.
    let known = session.library(Some(&options.library)).await?;
    policy_of(&text, &known, &names(session, &known).await?)?;
    let library = session.newest(Some(&options.library)).await?;
    let names = names(session, &library).await?;
    let next = policy_of(&text, &library, &names)?;
    let errors: Vec<_> = findings(&library, &next, &names, session.now_ms())
        .into_iter()
        .filter(|finding| finding.level == "error")
        .collect();
    if let Some(error) = errors.first() {
        return Err(Failure::invalid(format!("{}: {}", options.file.display(), error.text)));
    }
    let name = |slot| shown_name(&names, slot);
    let changes = words::changes(library.policy(), &next, &name);
    let changed = library.policy().map_or(Policy::default() != next, |before| *before != next);
    let proposed = Proposed::policy(&library, next, session.now_ms());
    let losses = Losses::of(&library, &proposed, session.now_ms())?;
    let takes: Vec<String> = losses.slots.iter().map(|slot| shown_name(&names, *slot)).collect();
    let shown = |library: &Library| PolicyShown {
        changes: changes.clone(),
        takes: takes.clone(),
        left: text.left_by_set(),
        ..shown(library, library.policy(), library.policy_said(), &names)
    };
    if options.dry_run {
        preview::check_keys(keyring, &library)?;
    }
    if options.dry_run || !changed {
        let dry_run = options.dry_run;
        return Ok(Outcome::Policy(Box::new(PolicyShown { dry_run, ..shown(&library) })));
    }
    match act(session, keyring, &library, proposed, options.request.as_deref()).await? {
        Acted::Requested(request) => Ok(Outcome::Request(request)),
        Acted::Applied(_) => {
            let library = session.library(Some(&library.id().to_string())).await?;
            Ok(Outcome::Policy(Box::new(PolicyShown { set: true, ..shown(&library) })))
        }
    }
}

/// Shows, checks or explains a policy. Needs no key.
pub async fn read(session: &mut Session, verb: PolicyVerb) -> Result<Outcome> {
    let shown = match verb {
        PolicyVerb::Set { .. } => return Err(Failure::internal("setting a policy needs a key")),
        PolicyVerb::Show(options) => {
            let library = session.library(Some(&options.library)).await?;
            let names = names(session, &library).await?;
            shown(&library, library.policy(), library.policy_said(), &names)
        }
        PolicyVerb::Check(options) => {
            let (library, policy, names) = of_file_or_current(session, &options).await?;
            let found = findings(&library, &policy, &names, session.now_ms());
            let said = if options.file.is_none() { library.policy_said() } else { None };
            PolicyShown { findings: found, ..shown(&library, Some(&policy), said, &names) }
        }
        PolicyVerb::Explain(options) => {
            let (library, policy, names) = of_file_or_current(session, &options).await?;
            let said = if options.file.is_none() { library.policy_said() } else { None };
            let all = shown(&library, Some(&policy), said, &names);
            PolicyShown { classes: explained(&policy, &names), ..all }
        }
    };
    Ok(Outcome::Policy(Box::new(shown)))
}

async fn of_file_or_current(session: &mut Session, options: &ReadPolicy) -> Result<(Library, Policy, Names)> {
    let library = session.library(Some(&options.library)).await?;
    let names = names(session, &library).await?;
    let policy = match &options.file {
        Some(file) => policy_of(&policy::read(file)?, &library, &names)?,
        None => library.policy().cloned().ok_or_else(|| {
            Failure::missing(format!(
                "{0} has no policy: every class keeps everything; `chuan policy set {0} FILE` sets one",
                library.name()
            ))
        })?,
    };
    Ok((library, policy, names))
}

async fn names(session: &mut Session, library: &Library) -> Result<Names> {
    let command = Command::Classes(ListClasses { library: library.id().to_string() });
    match session.run(command).await? {
        Outcome::Classes(list) => {
            Ok(list.classes.into_iter().map(|class| (class.slot, class.name)).collect())
        }
        _ => Err(mismatch()),
    }
}

/// The policy of a file. Unknown fields of the current policy, from a newer version of chuan, are kept.
fn policy_of(text: &PolicyText, library: &Library, names: &Names) -> Result<Policy> {
    let before = library.policy();
    let mut policy = text.library.clone();
    policy.unknown = before.map(|before| before.unknown.clone()).unwrap_or_default();
    for class in text.classes.iter().filter(|class| class.row != ClassPolicy::default()) {
        let slot = names.iter().find(|(_, name)| **name == class.name).map(|(slot, _)| *slot);
        let slot = slot.ok_or_else(|| {
            let known: Vec<_> = names.values().map(String::as_str).collect();
            Failure::invalid(format!(
                "no class `{0}` of {1} is known here (known: {2}); make it with a publish with the option `policy`, or run this on a node \
                 that has it",
                class.name,
                library.name(),
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            ))
        })?;
        let unknown = before.and_then(|before| before.classes.get(&slot)).map(|row| row.unknown.clone());
        policy
            .classes
            .insert(slot, ClassPolicy { unknown: unknown.unwrap_or_default(), ..class.row.clone() });
    }
    policy.check()?;
    Ok(policy)
}

/// Errors: settings that cannot be effective. Warnings: settings that the library cannot meet at present.
fn findings(library: &Library, policy: &Policy, names: &Names, now_ms: i64) -> Vec<PolicyFinding> {
    let mut found = Vec::new();
    let mut say = |level: &str, text: String| found.push(PolicyFinding { level: level.to_owned(), text });
    let has_timekeeper =
        library.root().is_some_and(|root| root.roles.iter().any(|role| role.kind == RoleKind::Timekeeper));
    for (slot, row) in &policy.classes {
        let name = shown_name(names, *slot);
        if row.max_stale_ms > 0 && !has_timekeeper {
            say(
                "error",
                format!(
                    "class `{name}` has a max_stale, and the root names no timekeeper to sign freshness; first add one \
                     with `chuan root add-key FILE timekeeper KEY`, sign and apply"
                ),
            );
        }
        let copies = copies(library, names.get(slot).map(String::as_str), now_ms);
        if usize::from(row.replicas) > copies.len() {
            say(
                "warning",
                format!(
                    "class `{name}` wants {}, and {} may have it (only origins and mirrors); `chuan grant` it to more",
                    counted_as(row.replicas.into(), "whole copy", "whole copies"),
                    counted(copies.len() as u64, "node")
                ),
            );
        }
        if row.replicas > 0 && usize::from(row.replicas) < row.regions.len() {
            say("warning", format!("class `{name}` wants fewer copies than it names regions"));
        }
        for region in row.regions.iter().filter(|region| !copies.contains(&Some(*region))) {
            say(
                "warning",
                format!(
                    "no origin or mirror that may have class `{name}` is bound to region {region}; grant a node with the option `region {region}`"
                ),
            );
        }
        if row.rpo_ms > 0 && row.every_ms > row.rpo_ms {
            say(
                "warning",
                format!("class `{name}`: mirrors look for a release less often (every) than rpo allows"),
            );
        }
    }
    for region in majority_regions(library, now_ms) {
        say(
            "warning",
            format!(
                "region {region} has half of all bound nodes or more: without it, the others are no majority; bind nodes in \
                 other regions"
            ),
        );
    }
    found
}

/// The origins and mirrors that may have a class, each as the region to which it is bound. For a class with
/// an unknown name: the nodes that may have all classes.
fn copies<'a>(library: &'a Library, class: Option<&str>, now_ms: i64) -> Vec<Option<&'a Region>> {
    let members = library.members().into_iter().filter(|said| said.body.role != NodeRole::Edge);
    let may = members.filter(|said| match class {
        Some(class) => library.may(&said.body.node, class, Verbs::PULL, now_ms),
        None => said.body.classes.is_all() && library.is_member(&said.body.node, now_ms),
    });
    may.map(|said| said.body.region.as_ref()).collect()
}

/// Regions with half of all bound nodes or more, if there are several regions.
fn majority_regions(library: &Library, now_ms: i64) -> Vec<Region> {
    let mut counts: BTreeMap<Region, usize> = BTreeMap::new();
    for said in library.members().into_iter().filter(|said| library.is_member(&said.body.node, now_ms)) {
        if let Some(region) = &said.body.region {
            *counts.entry(region.clone()).or_default() += 1;
        }
    }
    let all: usize = counts.values().sum();
    let several = counts.len() > 1;
    counts.into_iter().filter(|(_, count)| several && 2 * count >= all).map(|(region, _)| region).collect()
}

fn shown_name(names: &Names, slot: u8) -> String {
    names.get(&slot).cloned().unwrap_or_else(|| format!("in slot {slot}"))
}

/// A policy as an answer.
fn shown(
    library: &Library,
    policy: Option<&Policy>,
    said: Option<Signed<'_, Policy>>,
    names: &Names,
) -> PolicyShown {
    let nothing = Policy::default();
    let policy = policy.unwrap_or(&nothing);
    PolicyShown {
        library: library.id().to_string(),
        library_name: library.name().to_owned(),
        statement: said.map(|said| said.statement.id().to_string()),
        sequence: said.map_or(0, |said| said.statement.sequence()),
        time_ms: said.map_or(0, |said| said.statement.time_ms()),
        signers: said
            .into_iter()
            .flat_map(|said| said.statement.signers().map(ToString::to_string))
            .collect(),
        junk: policy.junk,
        excludes: policy.excludes.clone(),
        classes: policy.classes.iter().map(|(slot, row)| class_row(*slot, row, names)).collect(),
        unknown: policy.unknown.len() as u64,
        ..PolicyShown::default()
    }
}

/// A row for every class that is known here, also for classes without a row in the policy.
fn explained(policy: &Policy, names: &Names) -> Vec<ClassPolicyRow> {
    let nothing = ClassPolicy::default();
    let mut slots: Vec<u8> = policy.classes.keys().chain(names.keys()).copied().collect();
    slots.sort_unstable();
    slots.dedup();
    let row = |slot| class_row(slot, policy.classes.get(&slot).unwrap_or(&nothing), names);
    slots.into_iter().map(row).collect()
}

fn class_row(slot: u8, row: &ClassPolicy, names: &Names) -> ClassPolicyRow {
    let seconds = |ms: u64| (ms > 0).then_some(ms / 1000);
    ClassPolicyRow {
        slot,
        name: names.get(&slot).cloned(),
        mirror: row.mirror.map(|mirror| mirror.name().to_owned()),
        every_seconds: seconds(row.every_ms),
        priority: (row.priority > 0).then_some(row.priority),
        complete_by_seconds: seconds(row.complete_by_ms),
        rto_seconds: seconds(row.rto_ms),
        rpo_seconds: seconds(row.rpo_ms),
        viewers: (row.viewers > 0).then_some(row.viewers),
        replicas: (row.replicas > 0).then_some(row.replicas),
        regions: row.regions.iter().map(ToString::to_string).collect(),
        keep_releases: (row.keep_releases > 0).then_some(row.keep_releases),
        keep_seconds: seconds(row.keep_ms),
        max_stale_seconds: seconds(row.max_stale_ms),
        says: words::row(row),
    }
}
