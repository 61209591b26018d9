//! The crash test: a command is stopped at any one of its calls that change files, and everything that was
//! acknowledged must be there afterwards.
//!
//! [`tracer`] counts the calls of all threads in one order and disturbs one of them, [`disk`] is the model of
//! a loss of power, [`point`] names what is tested, and [`campaign`] runs points and counts the results. The
//! commands run in small homes that are made once. A run is not fully determined by its point: threads change
//! the order of calls from run to run, and a run may end before the call of its point.

mod calls;
pub mod campaign;
mod check;
pub mod disk;
pub mod point;
mod stage;
pub mod tracer;

pub use calls::Call;
pub use campaign::{Campaign, Outcome, Table};
pub use point::{Fault, Job, Moment, Point};
pub use tracer::Planted;
