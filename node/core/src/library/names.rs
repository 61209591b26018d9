//! Libraries by label, by id, or by the beginning of an id.

use std::sync::Arc;

use chuan_engine::{
    id::{LibraryId, may_be_id},
    statement::Library,
};

use crate::{
    exit::{Failure, Result},
    home::Home,
    human::{counted, time},
};

/// The library of this label or id, or whose id begins with this text; `None` where there is none. A label
/// goes before the beginning of an id.
///
/// # Errors
///
/// Several libraries have the label, or their ids begin so.
pub(super) fn find(all: &[Arc<Library>], home: &Home, name: &str) -> Result<Option<Arc<Library>>> {
    let id = name.parse::<LibraryId>().ok();
    let labelled = |library: &&Arc<Library>| id.is_none() && library.name() == name;
    let mut found: Vec<_> = all.iter().filter(labelled).collect();
    let is_label = !found.is_empty();
    if !is_label && may_be_id(name) {
        let prefix = name.to_ascii_lowercase();
        found = all.iter().filter(|library| library.id().to_string().starts_with(&prefix)).collect();
    }
    match found.as_slice() {
        [] => Ok(None),
        [library] => Ok(Some(Arc::clone(library))),
        several => {
            let which: Vec<_> = several.iter().map(|library| described(library, home)).collect();
            let how = if is_label { "are called" } else { "have an id that begins with" };
            Err(Failure::usage(format!(
                "several libraries {how} `{name}`; name one by its id, or by the beginning of its id: {}",
                which.join("; ")
            )))
        }
    }
}

/// The names of libraries for a choice. Libraries that share a label are described.
pub(super) fn choice(all: &[Arc<Library>], home: &Home) -> String {
    let name = |library: &Arc<Library>| {
        let sharing = all.iter().filter(|other| other.name() == library.name()).count();
        if sharing > 1 { described(library, home) } else { library.name().to_owned() }
    };
    all.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// The id of a library, its releases, its age, and the keys that are here.
fn described(library: &Library, home: &Home) -> String {
    let releases = counted(library.releases().len() as u64, "release");
    let founded = library.roots().next().map_or(0, |root| root.time_ms());
    let roles = home.roles_held(&library.id());
    let keys = match roles.iter().map(|role| role.name()).collect::<Vec<_>>().as_slice() {
        [] => "no keys here".to_owned(),
        roles => format!("keys here: {}", roles.join(", ")),
    };
    format!("{} ({releases}, founded {} UTC, {keys})", library.id().short(), time(founded))
}
