//! A cluster: how its servers and clients come up.

use std::marker::PhantomData;

use base::NodeId;
use proto::{Context, Oracle, Parameters, Protocol, Recovered, Service, Survives, kv::Kv};

use crate::client::Client;
use crate::message::Message;
use crate::oracle;
use crate::replica::Replica;
use crate::settings::Settings;

/// A Raft cluster that replicates `S`.
#[derive(Clone, Debug)]
pub struct Raft<S> {
    settings: Settings,
    service: PhantomData<fn() -> S>,
}

/// A replicated key-value store.
pub type RaftKv = Raft<Kv>;

impl<S> Raft<S> {
    /// A cluster with these settings.
    pub fn new(settings: Settings) -> Self {
        Raft { settings, service: PhantomData }
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

impl<S: Service> Protocol for Raft<S> {
    type Message = Message;
    type Server = Replica<S>;
    type Client = Client<S>;

    fn boot(&self, me: NodeId, disk: Recovered, ctx: &mut Context<'_, Message>) -> Replica<S> {
        Replica::boot(me, self.settings.clone(), disk, ctx)
    }

    fn client(&self, ctx: &mut Context<'_, Message>) -> Client<S> {
        Client::new(self.settings.clone(), ctx)
    }

    fn survives(&self) -> Survives {
        let lost = self.settings.first_voters().count().saturating_sub(1) / 2;
        // Two clocks that are off by d / (2 + d) each, one ahead and one behind, differ by the factor 1 + d.
        let off = self.settings.lease_drift.map(|drift| (1e6 * drift / (2.0 + drift)) as u32);
        Survives { lost, drift_ppm: off.unwrap_or(u32::MAX), ..Survives::default() }
    }

    fn marks(&self) -> &'static [&'static str] {
        crate::marks::MARKS
    }

    fn oracles(&self) -> Vec<Box<dyn Oracle<Replica<S>>>> {
        oracle::all(self.settings.nodes)
    }
}
