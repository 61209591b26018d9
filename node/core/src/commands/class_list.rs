//! `class list`: the classes of a library that this home knows by name, with their slots. Operators write
//! policies by name.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    command::ListClasses,
    exit::Result,
    outcome::{ClassList, ClassRow},
    services::Services,
};

/// The classes in the releases to which channels point here, and those that releases list by name. A class
/// that is not granted to this node is included only if a release lists it.
pub(crate) async fn classes(services: &Arc<Services>, options: ListClasses) -> Result<ClassList> {
    services
        .blocking(move |services| {
            let library = services.library.named(&options.library)?;
            let mut by_slot: BTreeMap<u8, ClassRow> = BTreeMap::new();
            for said in library.releases() {
                let listed = said.body.classes.iter();
                let row = |name: &str, slot| ClassRow { name: name.to_owned(), slot, ..ClassRow::default() };
                by_slot.extend(listed.map(|class| (class.slot, row(&class.name, class.slot))));
            }
            for channel in library.channels() {
                let Some(said) = services.library.here(&library, &channel.body.name)? else { continue };
                let held = services.library.holdings.held(&library, &said.body.manifest)?;
                by_slot.extend(held.rows().into_iter().map(|row| (row.slot, row)));
            }
            let classes = by_slot.into_values().collect();
            Ok(ClassList { library: library.id().to_string(), classes })
        })
        .await
}
