//! placeholder

pub mod admin;
pub mod cli;
pub mod command;
pub mod exit;
pub mod home;
pub mod job;
pub mod node;
pub mod outcome;
mod session;
pub mod spec;

pub use exit::{Exit, Failure, Result};
pub use node::Node;
