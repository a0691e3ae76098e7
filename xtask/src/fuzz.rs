//! `cargo xtask fuzz [SECONDS]`: coverage-guided fuzzing of the importers with libFuzzer, on the stable compiler.
//!
//! `fuzz/` is a workspace of its own, compiled with the coverage hooks that libFuzzer asks for; it needs a C++ compiler. It begins with the
//! small files of `corpus/histories` in every format; what it finds stays in `fuzz/corpus`, crashes in `fuzz/artifacts`.

use std::path::Path;

use crate::{root, step};

const HOOKS: &str = "--cfg fuzzing -C passes=sancov-module -C codegen-units=1 \
    -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
    -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares";

/// Runs the target `import` for so many seconds.
pub fn run(seconds: &str) -> Result<(), String> {
    seconds.parse::<u32>().map_err(|_| format!("expected a number of seconds, not `{seconds}`"))?;
    let folder = root().join("fuzz");
    seed(&folder.join("corpus")).map_err(|error| format!("the corpus of `{}`: {error}", folder.display()))?;
    std::fs::create_dir_all(folder.join("artifacts")).map_err(|error| error.to_string())?;
    let time = format!("-max_total_time={seconds}");
    let build = ["run", "--quiet", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", TARGET, "--"];
    let fuzz = ["fuzz/corpus", &time, "-max_len=4096", "-timeout=10", "-artifact_prefix=fuzz/artifacts/"];
    step("cargo", &[&build[..], &fuzz[..]].concat(), &[("RUSTFLAGS", HOOKS)])
}

/// A target that is named keeps the hooks out of build scripts.
const TARGET: &str =
    if cfg!(target_arch = "aarch64") { "aarch64-unknown-linux-gnu" } else { "x86_64-unknown-linux-gnu" };

/// The small recorded histories, each for every format: the importer that refuses one learns from it too.
fn seed(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let mut folders = vec![root().join("corpus/histories")];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(inside)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            for choice in (0..9u8).filter(|_| bytes.len() < 2_000) {
                std::fs::write(folder.join(format!("seed-{choice}-{name}")), [&[choice][..], &bytes].concat())?;
            }
        }
    }
    Ok(())
}
