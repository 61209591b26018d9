//! stub
use crate::{
    command::*,
    home::{Home, config::Config},
    job::Job,
    outcome::*,
    *,
};
use chuan_engine::id::NodeId;
use std::path::Path;
#[derive(Debug, Clone)]
pub struct Node;
impl Node {
    pub async fn try_open(_: &Path, _: &str) -> Result<Option<Node>> {
        Ok(None)
    }
    pub async fn run(&self, _: Command, _: Job) -> Result<Outcome> {
        Err(Failure::internal("x"))
    }
    pub async fn close(&self) {}
    pub fn stop_commands(&self) {}
    pub fn id(&self) -> NodeId {
        NodeId::of(&[0; 32])
    }
    pub async fn serve(&self, _: Option<&str>) -> Result<std::net::SocketAddr> {
        Err(Failure::internal("x"))
    }
}
pub(crate) fn identity(_: &Home, _: &Config, _: Option<&str>) -> Result<Identity> {
    Ok(Identity::default())
}
