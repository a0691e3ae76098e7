//! The run folder: everything about one execution of a plan.
//!
//! `plan.toml` as executed, `run.json` (what was run, on what), `history/` (the records), `faults.jsonl`, `events.jsonl`,
//! `metrics.json`, `nodes/n1/` (log and data of a node), `results.json`, `report.html`, `junit.xml`. `runs/latest` points to the last.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How many run folders are kept: older finished ones are removed when a run starts.
pub const KEPT: usize = 30;

/// A run folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Makes a new folder under `runs`, points `latest` to it and removes the oldest beyond `KEPT`.
    ///
    /// # Errors
    /// If the folder cannot be made; the error names it.
    pub fn create(runs: &Path, plan: &str, seed: u64) -> io::Result<Folder> {
        fs::create_dir_all(runs).map_err(|error| named(error, runs))?;
        let base = format!("{}-{}-{}", stamp(SystemTime::now()), file_name(plan), seed);
        let mut path = runs.join(&base);
        let mut copy = 1;
        while let Err(error) = fs::create_dir(&path) {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(named(error, &path));
            }
            copy += 1;
            path = runs.join(format!("{base}-{copy}"));
        }
        let folder = Folder { path: fs::canonicalize(&path)? };
        folder.write("owner", crate::owner::me().as_bytes())?;
        point_latest(runs, &folder)?;
        prune(runs, KEPT)?;
        Ok(folder)
    }

    /// An existing run folder.
    ///
    /// # Errors
    /// If there is none at `path`.
    pub fn open(path: &Path) -> io::Result<Folder> {
        let path = fs::canonicalize(path).map_err(|error| named(error, path))?;
        if path.join("run.json").exists() {
            return Ok(Folder { path });
        }
        let text = format!("`{}` is not a run folder: it has no run.json", path.display());
        Err(io::Error::new(io::ErrorKind::NotFound, text))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's id: the folder's name.
    pub fn id(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file, replacing it in one step: a kill leaves the old or the new one.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let file = self.file(name);
        let new = self.path.join(format!(".{name}.new"));
        fs::write(&new, bytes).and_then(|()| fs::rename(&new, &file)).map_err(|error| named(error, &file))
    }

    /// Writes a value as indented JSON.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(value).map_err(io::Error::other)?;
        text.push('\n');
        self.write(name, text.as_bytes())
    }

    /// Reads a value back; `None` if the file is missing or damaged (a killed run).
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.file(name)).ok()?).ok()
    }

    /// Opens a file to add lines to.
    pub fn append(&self, name: &str) -> io::Result<Lines> {
        let file = self.file(name);
        let opened = fs::OpenOptions::new().create(true).append(true).open(&file);
        opened.map(Lines).map_err(|error| named(error, &file))
    }

    /// The values of a file of JSON lines; damaged lines (a killed run's last) are left out.
    pub fn read_lines<T: DeserializeOwned>(&self, name: &str) -> Vec<T> {
        let text = fs::read_to_string(self.file(name)).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Removes the nodes' data (not their logs).
    pub fn remove_data(&self) {
        let Ok(nodes) = fs::read_dir(self.file("nodes")) else { return };
        for node in nodes.flatten() {
            let _ = fs::remove_dir_all(node.path().join("data"));
        }
    }

    /// Says that the run is over: the folder may be pruned.
    pub fn close(&self) {
        let _ = fs::remove_file(self.file("owner"));
    }
}

/// A file of JSON lines, written as they come, so that a kill loses none.
#[derive(Debug)]
pub struct Lines(fs::File);

impl Lines {
    /// Adds a line.
    pub fn push(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value).map_err(io::Error::other)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }
}

fn named(error: io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

fn file_name(plan: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    plan.chars().map(allowed).take(40).collect()
}

fn point_latest(runs: &Path, folder: &Folder) -> io::Result<()> {
    let new = runs.join(format!(".latest-{}", std::process::id()));
    let _ = fs::remove_file(&new);
    std::os::unix::fs::symlink(folder.id(), &new)?;
    fs::rename(&new, runs.join("latest"))
}

/// Removes the oldest run folders beyond `keep`, but none whose owner lives and nothing that is not a run folder.
fn prune(runs: &Path, keep: usize) -> io::Result<()> {
    let mut folders: Vec<PathBuf> = fs::read_dir(runs)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| !path.is_symlink() && (path.join("run.json").exists() || path.join("owner").exists()))
        .collect();
    folders.sort();
    let surplus = folders.len().saturating_sub(keep);
    let dead = |path: &&PathBuf| match fs::read_to_string(path.join("owner")) {
        Ok(owner) => !crate::owner::lives(&owner),
        Err(_) => true,
    };
    for path in folders.iter().take(surplus).filter(dead) {
        let _ = fs::remove_dir_all(path);
    }
    Ok(())
}

/// UTC as `20261121-104600`.
fn stamp(now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map(|span| span.as_secs()).unwrap_or_default();
    rfc3339(seconds).replace(['-', ':', 'Z'], "").replace('T', "-")
}

/// Seconds of the Unix epoch as `2026-11-21T10:46:00Z`, by the civil calendar (Hinnant, "chrono-compatible low-level date algorithms").
pub fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_stamp_is_the_civil_date() {
        let at = |seconds| stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101-000000");
        assert_eq!(at(951_782_399), "20000228-235959");
        assert_eq!(at(951_782_400), "20000229-000000");
        assert_eq!(at(1_795_257_960), "20261121-104600");
    }

    #[test]
    fn old_folders_go_and_others_stay() {
        let runs = tempfile::tempdir().expect("a folder");
        fs::create_dir(runs.path().join("mine")).expect("a folder that is no run");
        let mut made = Vec::new();
        for seed in 0..4 {
            let folder = Folder::create(runs.path(), "p/x", seed).expect("made");
            folder.write("run.json", b"{}").expect("written");
            made.push(folder);
        }
        prune(runs.path(), 1).expect("pruned");
        assert!(made.iter().all(|folder| folder.path().exists()), "their owner, this process, lives");
        made.iter().for_each(Folder::close);
        prune(runs.path(), 1).expect("pruned");
        let left: Vec<bool> = made.iter().map(|folder| folder.path().exists()).collect();
        assert_eq!(left, [false, false, false, true]);
        assert!(runs.path().join("mine").exists());
        let latest = Folder::open(&runs.path().join("latest")).expect("latest");
        assert_eq!(latest, made[3]);
    }
}
