//! Two ends over real loopback sockets, with a host and a machine that only pretend to have a library.

mod abuse;
mod pair;
mod sessions;
mod speed;
