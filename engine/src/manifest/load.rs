//! Reading one page of a tree, with every check that what names it allows.

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

/// Reads and checks a page, and keeps its bytes.
pub(super) fn page_and_bytes<S: PageSource + ?Sized>(
    source: &S,
    id: &PageId,
    expect: &Expect,
) -> Result<(Page, Bytes)> {
    let bytes = source.page(id)?;
    Ok((expect.decode(id, &bytes)?, bytes))
}
