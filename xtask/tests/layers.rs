//! The `layers` block of ARCHITECTURE.md is the truth about who may use whom.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

type Layers = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is inside the workspace")
}

fn documented() -> Layers {
    let page = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let block = page.split("```layers\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a layers block");
    let line = |line: &str| {
        let (name, uses) = line.split_once(':').expect("`crate: uses`");
        (name.to_string(), uses.split_whitespace().map(String::from).collect())
    };
    block.lines().map(line).collect()
}

fn actual() -> Layers {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    let short = |name: &str| match name.strip_prefix("assize-") {
        Some(short) => short.to_string(),
        None if name == "assize" => "cli".to_string(),
        None => name.to_string(),
    };
    let uses = |package: &serde_json::Value| {
        let ours = |dependency: &&serde_json::Value| dependency["kind"].is_null() && !dependency["path"].is_null();
        let dependencies = package["dependencies"].as_array().expect("dependencies").iter();
        dependencies.filter(ours).map(|dependency| short(dependency["name"].as_str().expect("name"))).collect()
    };
    let packages = metadata["packages"].as_array().expect("packages").iter();
    packages.map(|package| (short(package["name"].as_str().expect("name")), uses(package))).collect()
}

#[test]
fn crates_use_only_what_the_architecture_says() {
    let (documented, actual) = (documented(), actual());
    for (name, uses) in &actual {
        let allowed = documented.get(name).unwrap_or_else(|| panic!("`{name}` is missing in the layers block"));
        let surplus: Vec<_> = uses.difference(allowed).collect();
        assert!(surplus.is_empty(), "`{name}` uses {surplus:?}, which the layers block does not allow");
        let unused: Vec<_> = allowed.difference(uses).collect();
        assert!(unused.is_empty(), "`{name}` no longer uses {unused:?}: take it out of the layers block");
    }
    for name in documented.keys() {
        assert!(actual.contains_key(name) || name == "bench", "`{name}` of the layers block does not exist");
    }
}
