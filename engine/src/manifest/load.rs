//! Reads one page of a tree, and checks it against everything that its parent or entry says about it.

use bytes::Bytes;

use super::{
    PageSource,
    page::{Expect, Page},
};
use crate::{error::Result, id::PageId};

/// Reads and checks a page.
pub(super) fn page<S: PageSource + ?Sized>(source: &S, id: &PageId, expect: &Expect) -> Result<Page> {
    Ok(page_and_bytes(source, id, expect)?.0)
}

/// Reads and checks a page, and returns its bytes too.
pub(super) fn page_and_bytes<S: PageSource + ?Sized>(
    source: &S,
    id: &PageId,
    expect: &Expect,
) -> Result<(Page, Bytes)> {
    let bytes = source.page(id)?;
    Ok((expect.decode(id, &bytes)?, bytes))
}
