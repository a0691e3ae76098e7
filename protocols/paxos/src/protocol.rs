//! A cluster: how its servers and clients come up.

use base::NodeId;
use proto::{Context, Oracle, Parameters, Protocol, Recovered, Survives};

use crate::client::Client;
use crate::message::Message;
use crate::oracle;
use crate::server::Server;
use crate::settings::Settings;

/// A replicated compare-and-set register for each key.
#[derive(Clone, Debug)]
pub struct PaxosRegister {
    settings: Settings,
}

impl PaxosRegister {
    /// A cluster with these settings.
    pub fn new(settings: Settings) -> Self {
        PaxosRegister { settings }
    }

    /// A cluster of `nodes` servers with settings as text: see [`Settings::parse`].
    pub fn parse(parameters: &Parameters, nodes: usize) -> Result<Self, String> {
        Settings::parse(parameters, nodes).map(Self::new)
    }

    /// What was chosen.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl Protocol for PaxosRegister {
    type Message = Message;
    type Server = Server;
    type Client = Client;

    fn boot(&self, me: NodeId, disk: Recovered, ctx: &mut Context<'_, Message>) -> Server {
        Server::boot(me, self.settings.clone(), disk, ctx)
    }

    fn client(&self, ctx: &mut Context<'_, Message>) -> Client {
        Client::new(self.settings.clone(), ctx)
    }

    fn survives(&self) -> Survives {
        let Settings { nodes, prepare_quorum, accept_quorum, .. } = self.settings;
        let lost = nodes.saturating_sub(prepare_quorum.max(accept_quorum));
        // A server whose disk was emptied has no vote: for the others it is as good as gone.
        Survives { lost, wiped: lost, ..Survives::default() }
    }

    fn marks(&self) -> &'static [&'static str] {
        crate::marks::MARKS
    }

    fn oracles(&self) -> Vec<Box<dyn Oracle<Server>>> {
        oracle::all(self.settings.nodes)
    }
}
