//! Where a test runs the binary: a folder of its own, with a registry of its own, and helpers to read what a run has left.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

/// A folder to run the binary in. Its state files and temporary files are its own, so that what is left behind is seen.
pub struct Bench {
    folder: PathBuf,
    kept: bool,
}

/// How a command ended.
pub struct Ended {
    /// Its exit code; a command that a signal ended fails the test.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Bench {
    pub fn new() -> Bench {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder").keep();
        Bench { folder, kept: false }.prepared()
    }

    /// One that stays until the tests run again: for a test's `static`, which is never dropped.
    pub fn named(name: &str) -> Bench {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a folder");
        Bench { folder, kept: true }.prepared()
    }

    fn prepared(self) -> Bench {
        for name in ["state", "tmp"] {
            std::fs::create_dir(self.path(name)).expect("a folder");
        }
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    /// The binary, to be run in the folder.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_assize"));
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.env("XDG_RUNTIME_DIR", self.path("state")).env("TMPDIR", self.path("tmp"));
        command
    }

    pub fn assize(&self, arguments: &[&str]) -> Ended {
        Ended::of(self.command(arguments).output().expect("the binary runs"))
    }

    /// Runs it with an output that nobody reads, as before `| true`.
    pub fn unread(&self, arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        drop(child.stdout.take());
        Ended::of(child.wait_with_output().expect("our child"))
    }

    /// Starts a run with its event stream; it is the head of a process group, as under a shell's job control.
    pub fn start(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Going {
        let mut command = self.command(&[&["run", "--json"], arguments].concat());
        let errors = File::create(self.path("errors")).expect("a file");
        command.stdout(Stdio::piped()).stderr(errors).process_group(0).envs(environment.iter().copied());
        let mut child = command.spawn().expect("the binary runs");
        let out = child.stdout.take().expect("piped");
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&events);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let event: Value = serde_json::from_str(&line).expect("each line is one JSON object");
                heard.lock().expect("no poison").push(event);
            }
        });
        let mut going = Going { child, events, run: String::new(), folder: self.path("runs") };
        let started = going.wait_for("it starts", |event| event["event"] == "started");
        going.run = started["run"].as_str().expect("its id").to_string();
        going.folder = self.path("runs").join(&going.run);
        going
    }
}

impl Drop for Bench {
    /// The folder of a failed test stays, to be looked at; what its runs have left on the machine does not.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = self.command(&["clean"]).output();
        } else if !self.kept {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

impl Ended {
    pub fn of(output: Output) -> Ended {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
        let code = output.status.code().unwrap_or_else(|| panic!("ended with {}", output.status));
        Ended { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// Fails the test, with everything that was printed, unless it ended like this.
    #[track_caller]
    pub fn expect(self, code: i32) -> Ended {
        assert_eq!(self.code, code, "\n--- standard output\n{}\n--- standard error\n{}", self.out, self.err);
        self
    }

    /// Each line of standard output as JSON.
    pub fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("each line is one JSON object")).collect()
    }
}

/// A run that goes on. Dropping it kills it.
pub struct Going {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
    pub run: String,
    pub folder: PathBuf,
}

impl Going {
    /// The first event like this from now or before, waiting for it for 30 s at most.
    #[track_caller]
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            if let Some(event) = self.events().into_iter().find(|event| is_it(event)) {
                return event;
            }
            let ended = self.child.try_wait().expect("our child");
            let told = || format!("never: {what}; it ended: {ended:?}; it told {:#?}", self.events());
            assert!(ended.is_none() && began.elapsed() < Duration::from_secs(30), "{}", told());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Everything told so far.
    pub fn events(&self) -> Vec<Value> {
        self.events.lock().expect("no poison").clone()
    }

    /// Ctrl-C in a terminal, or `kill`: the signal goes to the process group.
    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process_group(self.pid(), signal).expect("it runs");
    }

    /// `kill -9`, of the bench alone.
    pub fn kill_minus_nine(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("our child");
    }

    /// The exit code, which must come within 20 s.
    #[track_caller]
    pub fn exit_code(&mut self) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("our child") {
                return status.code().unwrap_or_else(|| panic!("ended with {status}"));
            }
            assert!(began.elapsed() < Duration::from_secs(20), "it does not end; it told {:#?}", self.events());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until no other test runs a whole system, in this process or another; ends when it is dropped.
pub fn alone() -> File {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("alone");
    let file = File::create(path).expect("a lock file");
    file.lock().expect("the lock");
    file
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

/// A JSON file of a run folder.
#[track_caller]
pub fn read_json(file: &Path) -> Value {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).expect("JSON")
}

/// The values of a file of JSON lines.
#[track_caller]
pub fn read_lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
