//! Which classes of a library this home knows by name, and in which slot: operators write policies by names.

use std::collections::BTreeMap;

use super::Node;
use crate::{
    command::ListClasses,
    exit::Result,
    outcome::{ClassList, ClassRow},
};

impl Node {
    /// The classes in the releases on which channels stand here, and those that releases list by name. A class that this node is
    /// not granted is there only where a release lists it.
    pub async fn classes(&self, options: ListClasses) -> Result<ClassList> {
        self.blocking(move |node| {
            let library = node.libraries.named(&options.library)?;
            let mut by_slot: BTreeMap<u8, ClassRow> = BTreeMap::new();
            for said in library.releases() {
                let listed = said.body.classes.iter();
                let row = |name: &str, slot| ClassRow { name: name.to_owned(), slot, ..ClassRow::default() };
                by_slot.extend(listed.map(|class| (class.slot, row(&class.name, class.slot))));
            }
            for channel in library.channels() {
                let Some(said) = node.here(&library, &channel.body.name)? else { continue };
                let held = node.held(&library, &said.body.manifest)?;
                by_slot.extend(held.rows().into_iter().map(|row| (row.slot, row)));
            }
            let classes = by_slot.into_values().collect();
            Ok(ClassList { library: library.id().to_string(), classes })
        })
        .await
    }
}
