//! The clocks and the randomness of the machine: the only code that reads them. A
//! [`Context`](crate::context::Context) has both for the services of a home, and a
//! [`Session`](crate::session::Session) takes those of its home.

mod clock;
mod randomness;

pub(crate) use clock::Clock;
pub(crate) use randomness::Randomness;
