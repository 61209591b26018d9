//! Extended attributes of files, of the namespace `user` only: other namespaces give rights or belong to the
//! system.

use std::{collections::BTreeMap, os::fd::AsFd};

use rustix::{
    fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr},
    io::Errno,
};

/// Attributes by their name, without the name of the namespace.
pub(crate) type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// The namespace.
const USER: &[u8] = b"user.";
/// The most that Linux returns as the names of a file's attributes, in bytes.
const LIST_BYTES: usize = 64 * 1024;
/// Enough for the names of nearly all files, in bytes.
const SHORT_BYTES: usize = 512;

/// The attributes of an open file whose values have at most `most` bytes, and whether there are longer ones.
/// A file system without attributes has none.
pub(crate) fn read(file: impl AsFd, most: usize) -> Result<(Xattrs, bool), Errno> {
    let (mut found, mut has_longer) = (Xattrs::new(), false);
    let mut value = vec![0; most];
    for name in names(&file)? {
        match fgetxattr(&file, full(&name).as_slice(), value.as_mut_slice()) {
            Ok(len) => {
                found.insert(name, value.get(..len).unwrap_or_default().to_vec());
            }
            Err(Errno::RANGE) => has_longer = true,
            // It was removed meanwhile.
            Err(Errno::NODATA) => {}
            Err(error) => return Err(error),
        }
    }
    Ok((found, has_longer))
}

/// Whether an open file has attributes. `false` also where that cannot be found out.
pub(crate) fn has_any(file: impl AsFd) -> bool {
    names(file).is_ok_and(|names| !names.is_empty())
}

/// Gives an open file these attributes, and no others. Attributes that it has already are not written again.
pub(crate) fn set(file: impl AsFd, wanted: &Xattrs) -> Result<(), Errno> {
    let longest = wanted.values().map(Vec::len).max().unwrap_or(0);
    let mut value = vec![0; longest + 1];
    for name in names(&file)? {
        if !wanted.contains_key(&name) {
            fremovexattr(&file, full(&name).as_slice())?;
        }
    }
    for (name, wanted) in wanted {
        let name = full(name);
        let now = fgetxattr(&file, name.as_slice(), value.as_mut_slice());
        if now.is_ok_and(|len| value.get(..len) == Some(wanted.as_slice())) {
            continue;
        }
        fsetxattr(&file, name.as_slice(), wanted, XattrFlags::empty())?;
    }
    Ok(())
}

fn full(name: &[u8]) -> Vec<u8> {
    [USER, name].concat()
}

/// The names of an open file's attributes, without the namespace.
fn names(file: impl AsFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut list = [0; SHORT_BYTES];
    let found = match flistxattr(&file, list.as_mut_slice()) {
        Ok(len) => list.get(..len).unwrap_or_default().to_vec(),
        Err(Errno::RANGE) => {
            let mut list = vec![0; LIST_BYTES];
            let len = flistxattr(&file, list.as_mut_slice())?;
            list.truncate(len);
            list
        }
        Err(Errno::OPNOTSUPP) => Vec::new(),
        Err(error) => return Err(error),
    };
    let names = found.split(|byte| *byte == 0).filter_map(|name| name.strip_prefix(USER));
    Ok(names.filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attributes of any length and number come back, and those that are not wanted go.
    #[test]
    fn attributes_are_set_read_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let file = std::fs::File::create(dir.path().join("f")).unwrap();
        let mut wanted =
            Xattrs::from([(b"xdg.tags".to_vec(), b"approved".to_vec()), (b"e".to_vec(), vec![])]);
        match set(&file, &wanted) {
            Err(Errno::OPNOTSUPP) => {
                eprintln!("skipped: {} has no extended attributes", dir.path().display());
                return;
            }
            done => done.unwrap(),
        }
        assert_eq!(read(&file, 64).unwrap(), (wanted.clone(), false));
        assert_eq!(read(&file, 4).unwrap(), (Xattrs::from([(b"e".to_vec(), vec![])]), true));
        wanted.remove(b"xdg.tags".as_slice());
        for number in 0..20 {
            wanted.insert(format!("{number}{}", "n".repeat(60)).into_bytes(), vec![number; 3]);
        }
        set(&file, &wanted).unwrap();
        assert_eq!(read(&file, 64).unwrap(), (wanted, false));
        assert!(has_any(&file));
        set(&file, &Xattrs::new()).unwrap();
        assert!(!has_any(&file));
    }
}
