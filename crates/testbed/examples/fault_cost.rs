//! How long a testbed takes to make a change and prove it.
//!
//!     cargo run --release -p assize-testbed --example fault_cost

use std::path::Path;
use std::time::{Duration, Instant};

use base::NodeId;
use testbed::{
    Framing, LinkChange, LinkRule, Loopback, LoopbackOptions, Namespaces, NodeSpec, PortSpec, Registry, Testbed,
};

const NODES: usize = 5;

fn main() {
    let dir = std::env::temp_dir().join(format!("fault-cost-{}", std::process::id()));
    std::fs::create_dir(&dir).expect("a directory");
    let registry = Registry::at(&dir).expect("a registry");
    let guard = registry.register("loopback", &dir).expect("a run");
    let options = LoopbackOptions { relay: Some(Framing::Frames), ..LoopbackOptions::default() };
    measure(&mut Loopback::new(&guard, options).expect("loopback"), &dir);
    let guard = registry.register("namespaces", &dir).expect("a run");
    match Namespaces::new(&guard) {
        Ok(mut bed) => measure(&mut bed, &dir),
        Err(lack) => println!("namespaces: {lack}"),
    }
    drop(guard);
    std::fs::remove_dir_all(&dir).expect("the directory");
}

fn measure(bed: &mut dyn Testbed, dir: &Path) {
    let name = bed.name();
    let show = |what: &str, took: Duration| println!("{name}: {what} {:.1} ms", took.as_secs_f64() * 1e3);
    let began = Instant::now();
    bed.layout(NODES, &[PortSpec::peer("peer")]).expect("a layout");
    show("layout of 5 nodes", began.elapsed());
    let spec = NodeSpec {
        program: "sleep".into(),
        args: vec!["300".to_string()],
        dir: dir.to_path_buf(),
        log: dir.join("log"),
        ..NodeSpec::default()
    };
    let node = NodeId(0);
    let isolate: Vec<LinkChange> = NodeId::all(NODES)
        .skip(1)
        .flat_map(|other| [(node, other), (other, node)])
        .map(|(from, to)| LinkChange { from, to, rule: LinkRule::CUT })
        .collect();
    for _ in 0..3 {
        let mut began = Instant::now();
        let mut lap = |what: &str| {
            show(what, began.elapsed());
            began = Instant::now();
        };
        bed.start(node, &spec).expect("start");
        lap("start");
        bed.pause(node).expect("pause");
        lap("pause");
        bed.resume(node).expect("resume");
        lap("resume");
        bed.set_links(&isolate).expect("rules");
        lap("isolate one of five");
        bed.heal_links(false).expect("heal");
        lap("heal");
        bed.kill(node).expect("kill");
        lap("kill");
    }
}
