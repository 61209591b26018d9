//! The socket file: a path of any length, in a folder that only its owner may enter, with a peer of the same
//! user.
//!
//! The address of a Unix socket has at most 108 bytes, and the path of a home may be longer. So both ends
//! open the folder and name the socket through `/proc/self/fd`.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use chuan_engine::own_file;
use rustix::fs::{Mode, OFlags};
use tokio::net::{UnixListener, UnixStream};

use crate::exit::{Failure, Result};

const NAME: &str = "admin.sock";

/// Listens in `run_dir`. The caller has the home lock, so a socket that exists there is left over, and is
/// removed.
pub(crate) fn bind(run_dir: &Path) -> Result<UnixListener> {
    let failed = |error| Failure::io(format!("listen on {}", run_dir.join(NAME).display()), error);
    let dir = open_own_dir(run_dir).map_err(failed)?;
    let path = short_path(&dir);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    UnixListener::bind(&path).map_err(failed)
}

/// Connects to the socket in `run_dir`. `None` if no process listens there, or if the listener ends before it
/// accepts the connection.
pub(crate) async fn connect(run_dir: &Path) -> Result<Option<UnixStream>> {
    let failed = |error| Failure::io(format!("connect to {}", run_dir.join(NAME).display()), error);
    let dir = open_dir(run_dir).map_err(failed)?;
    match UnixStream::connect(short_path(&dir)).await {
        Ok(stream) => {
            check_peer(&stream).map_err(failed)?;
            Ok(Some(stream))
        }
        Err(error) if is_absent(error.kind()) => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Whether a connection failed as it does without a listener, or with one that ends or is overloaded.
fn is_absent(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{ConnectionRefused, ConnectionReset, NotFound, WouldBlock};
    matches!(kind, NotFound | ConnectionRefused | ConnectionReset | WouldBlock)
}

/// Fails unless the process at the other end runs as this user, or as root.
pub(super) fn check_peer(stream: &UnixStream) -> io::Result<()> {
    let peer = stream.peer_cred()?.uid();
    if peer == rustix::process::geteuid().as_raw() || peer == 0 {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::PermissionDenied, format!("user {peer} is not the home's user")))
}

fn open_dir(dir: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens the folder of the socket, and lets only its owner enter it, whatever its mode was. Fails where it is
/// a link, or the folder of another user.
fn open_own_dir(dir: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::open(dir, flags, Mode::empty())?;
    let owner = rustix::fs::fstat(&opened)?.st_uid;
    if !own_file::is_trusted(owner) {
        return Err(own_file::foreign(owner));
    }
    rustix::fs::fchmod(&opened, Mode::RWXU)?;
    Ok(opened)
}

fn short_path(dir: &OwnedFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{NAME}", dir.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// The folder behind a link got another mode, and a socket.
    #[tokio::test]
    async fn a_link_in_the_place_of_the_folder_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let [victim, link] = ["victim", "run"].map(|name| dir.path().join(name));
        std::fs::create_dir(&victim).unwrap();
        std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o755)).unwrap();
        symlink(&victim, &link).unwrap();
        bind(&link).unwrap_err();
        assert_eq!(std::fs::metadata(&victim).unwrap().permissions().mode() & 0o777, 0o755);
        assert_eq!(std::fs::read_dir(&victim).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn paths_longer_than_a_socket_address_work() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("d".repeat(120)).join("电影".repeat(30));
        std::fs::create_dir_all(&run_dir).unwrap();
        assert!(connect(&run_dir).await.unwrap().is_none());

        let listener = bind(&run_dir).unwrap();
        assert!(connect(&run_dir).await.unwrap().is_some());
        assert_eq!(std::fs::metadata(&run_dir).unwrap().permissions().mode() & 0o777, 0o700);

        // The socket of a killed process refuses connections, and the next holder replaces it.
        drop(listener);
        assert!(run_dir.join(NAME).exists());
        assert!(connect(&run_dir).await.unwrap().is_none());
        let _listener = bind(&run_dir).unwrap();
        assert!(connect(&run_dir).await.unwrap().is_some());
    }
}
