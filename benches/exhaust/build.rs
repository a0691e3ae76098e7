//! Takes stateright's examples `2pc` and `paxos` as they are in its package, and adds a function to each that searches and counts.

use std::path::PathBuf;
use std::{env, fs};

const TWO_PHASE: &str = "
pub fn count(managers: usize, threads: usize) -> (usize, usize) {
    let checker = TwoPhaseSys { rms: 0..managers }.checker().threads(threads).spawn_bfs().join();
    checker.assert_properties();
    (checker.unique_state_count(), checker.state_count())
}
";

const PAXOS: &str = "
pub fn count(client_count: usize, threads: usize) -> (usize, usize) {
    let network = Network::new_unordered_nonduplicating([]);
    let model = PaxosModelCfg { client_count, server_count: 3, network }.into_model();
    let checker = model.checker().threads(threads).spawn_bfs().join();
    checker.assert_properties();
    (checker.unique_state_count(), checker.state_count())
}
";

fn main() {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let examples = package("stateright").join("examples");
    let mut modules = String::new();
    for (name, file, count) in [("two_phase", "2pc.rs", TWO_PHASE), ("paxos", "paxos.rs", PAXOS)] {
        let text = fs::read_to_string(examples.join(file)).expect("the package has its examples");
        let path = out.join(format!("{name}.rs"));
        fs::write(&path, text + count).expect("OUT_DIR can be written");
        modules += &format!("#[path = {path:?}]\n#[allow(dead_code, unused)]\npub mod {name};\n");
    }
    fs::write(out.join("theirs.rs"), modules).expect("OUT_DIR can be written");
    println!("cargo::rerun-if-changed=build.rs");
}

/// Where cargo unpacked a package.
fn package(name: &str) -> PathBuf {
    let cargo = env::var("CARGO").expect("cargo sets it");
    let output = std::process::Command::new(cargo).args(["metadata", "--format-version", "1"]).output();
    let metadata = String::from_utf8(output.expect("cargo metadata runs").stdout).expect("it is UTF-8");
    let paths = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let mut folders = paths.map(|path| PathBuf::from(path).parent().expect("a folder").to_path_buf());
    let is_it = |folder: &PathBuf| {
        folder.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&format!("{name}-")))
    };
    folders.find(is_it).expect("it is a dependency")
}
