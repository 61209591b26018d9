//! The classes that an operator names in a grant or a ticket: a class that the library does not have is
//! refused, unless the operator says that it is new.

use std::collections::BTreeSet;

use chuan_engine::{
    manifest::table::DEFAULT_CLASS,
    statement::{Classes, Library},
};

use crate::{
    command::{Command, ListClasses},
    exit::{Failure, Result},
    outcome::Outcome,
    session::{Session, mismatch},
};

/// Fails if one of `named` is a class that the home does not know in `library`. Known are the classes in the
/// releases here, those that releases list, those that the root names, and those of the grant `before`. A
/// pattern with `*` may be of classes that come later.
pub(super) async fn check_known(
    session: &mut Session,
    library: &Library,
    named: &[String],
    before: Option<&Classes>,
) -> Result<()> {
    let roles = library.root().into_iter().flat_map(|root| &root.roles);
    let of_roles = roles.flat_map(|role| role.classes.patterns());
    let old = of_roles.chain(before.into_iter().flat_map(Classes::patterns));
    let mut known: BTreeSet<String> = old.cloned().chain([DEFAULT_CLASS.1.to_owned()]).collect();
    if named.iter().all(|class| is_known(class, &known)) {
        return Ok(());
    }
    let command = Command::Classes(ListClasses { library: library.id().to_string() });
    match session.run(command).await? {
        Outcome::Classes(list) => known.extend(list.classes.into_iter().map(|class| class.name)),
        _ => return Err(mismatch()),
    }
    let unknown: Vec<_> = named.iter().filter(|class| !is_known(class, &known)).cloned().collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Failure::usage(format!(
        "{} has no class `{}` (known here: {}); if a later publish makes it, give the option `new-class`",
        library.name(),
        unknown.join("`, `"),
        known.into_iter().collect::<Vec<_>>().join(", ")
    )))
}

fn is_known(class: &str, known: &BTreeSet<String>) -> bool {
    class.contains('*') || known.contains(class)
}
