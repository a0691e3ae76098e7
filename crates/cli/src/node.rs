//! `assize node`: one node of one of our own systems, until it is told to stop.

use std::net::SocketAddr;

use base::NodeId;
use proto::Parameters;
use system::specimen::{self, Node};

use crate::arguments::NodeOptions;
use crate::exit::Exit;

/// Serves the node.
pub fn command(options: NodeOptions) -> Exit {
    let name = options.system.clone();
    match read(options).and_then(|node| specimen::serve(&name, node)) {
        Ok(()) => Exit::Success,
        Err(text) => {
            eprintln!("error: {text}");
            Exit::Unavailable
        }
    }
}

fn read(options: NodeOptions) -> Result<Node, String> {
    let address = |text: &str| {
        text.parse::<SocketAddr>().map_err(|_| format!("`{text}` is not an address like `127.0.0.1:7001`"))
    };
    let pair = |text: &String| match text.split_once('=') {
        Some((key, value)) => Ok((key.to_string(), value.to_string())),
        None => Err(format!("`--set {text}` has no value")),
    };
    Ok(Node {
        id: options.id.parse::<NodeId>()?,
        listen: address(&options.listen)?,
        peers: options.peers.split(',').map(address).collect::<Result<_, _>>()?,
        dir: options.dir,
        disk: options.disk,
        cluster: options.cluster,
        seed: options.seed,
        parameters: options.set.iter().map(pair).collect::<Result<Parameters, _>>()?,
    })
}
