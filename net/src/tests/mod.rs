//! Two ends over real loopback sockets, with hosts and machines that have no store on disk.

mod abuse;
mod admission;
mod films;
mod grant_guard;
mod held;
mod isolation;
mod libraries;
mod pair;
mod places;
mod pulls;
mod sessions;
mod slow;
mod speed;
mod thief;
mod trust;
mod versions;
mod waste;
