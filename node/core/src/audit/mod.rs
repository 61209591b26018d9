//! The service `audit`: keeps the audit log of an open home durable and signed, and records what no command
//! records.

mod own_checkpoints;
pub(crate) mod task;

pub(crate) use task::AuditService;
