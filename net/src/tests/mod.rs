//! Two ends over real loopback sockets, with a host and a machine that only pretend to have a library.

mod abuse;
mod door;
mod films;
mod held;
mod isolation;
mod pair;
mod pulls;
mod sessions;
mod speed;
mod standing;
mod thief;
mod trust;
mod versions;
mod waste;
