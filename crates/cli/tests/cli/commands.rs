//! What every command says and how it exits, where no system has to run.

use crate::bench::{Bench, Ended, root};

/// Two processes; the read sees the write that was acknowledged before it.
const VALID: &str = r#"{"process":0,"f":"write","key":1,"value":5,"sent":10,"done":20,"outcome":"ok"}
{"process":1,"f":"read","key":1,"value":5,"sent":30,"done":40,"outcome":"ok"}
"#;
/// The read misses the write that was acknowledged before it.
const INVALID: &str = r#"{"process":0,"f":"write","key":1,"value":5,"sent":10,"done":20,"outcome":"ok"}
{"process":1,"f":"read","key":1,"value":null,"sent":30,"done":40,"outcome":"ok"}
"#;

fn said(ended: &Ended, parts: &[&str]) {
    let all = format!("{}{}", ended.out, ended.err);
    parts.iter().for_each(|part| assert!(all.contains(part), "`{part}` is missing in:\n{all}"));
}

/// Runs the command in a folder of its own and compares exit code and parts of what it prints.
#[track_caller]
fn check(arguments: &[&str], code: i32, parts: &[&str]) {
    said(&Bench::new().assize(arguments).expect(code), parts);
}

#[test]
fn help_shows_commands_examples_and_exit_codes() {
    let commands = ["run", "check", "report", "export", "clean", "list", "new", "completions"];
    let listed: Vec<String> = commands.iter().map(|name| format!("\n  {name} ")).collect();
    let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
    check(&["--help"], 0, &listed);
    check(
        &["--help"],
        0,
        &["Examples:", "assize check runs/latest", "Exit codes:", "\n  130  interrupted", "\n   69  "],
    );
    for command in commands {
        check(&[command, "--help"], 0, &["Usage: assize", command]);
    }
    check(&["run", "--help"], 0, &["--seed", "--set", "--times", "--until-invalid", "--json", "--quiet", "Examples:"]);
}

#[test]
fn nobody_has_to_read_to_the_end() {
    for command in [&["list"][..], &["completions", "bash"], &["clean"], &["--help"]] {
        let ended = Bench::new().unread(command).expect(0);
        assert_eq!(ended.err, "", "{command:?}");
    }
}

#[test]
fn version_is_the_package_version() {
    check(&["--version"], 0, &[concat!("assize ", env!("CARGO_PKG_VERSION"))]);
}

#[test]
fn completions_are_scripts_of_their_shell() {
    check(&["completions", "bash"], 0, &["complete -F _assize", "--until-invalid"]);
    check(&["completions", "zsh"], 0, &["#compdef assize"]);
    check(&["completions", "fish"], 0, &["complete -c assize"]);
    check(&["completions", "telepathy"], 64, &["[possible values: bash"]);
}

#[test]
fn list_names_everything_there_is() {
    check(&["list"], 0, &["Systems", "Workloads", "Faults", "Models", "Plans"]);
    check(&["list", "systems"], 0, &["raft-kv", "etcd", "command", "endpoints", "stale-read", "lost-write", "forgets"]);
    check(&["list", "workloads"], 0, &["register", "cas-register"]);
    check(&["list", "faults"], 0, &["kill", "pause", "partition", "delay", "loss"]);
    check(&["list", "models"], 0, &["linearizable"]);
    check(&["list", "plans"], 0, &["raft-kv-stale-read", "etcd-pause", "bench/raft-kv"]);
}

#[test]
fn list_says_what_is_missing_here() {
    let bench = Bench::new();
    let ended = Ended::of(bench.command(&["list", "systems"]).env("PATH", "").output().expect("it runs")).expect(0);
    said(&ended, &["`etcd` cannot run here", "apt-get install etcd-server"]);
}

#[test]
fn a_wrong_command_line_is_64() {
    check(&["run", "--nope"], 64, &["unexpected argument '--nope'"]);
    check(&["judge"], 64, &["unrecognized subcommand"]);
    check(&["run", "raft-kv", "--set", "load.rate"], 64, &["`--set load.rate` has no value", "--set load.rate=2k/s"]);
    check(&["run", "raft-kv", "--times", "2", "--until-invalid"], 64, &["cannot be used with"]);
    check(&["run", "raft-kv", "--quiet", "--json"], 64, &["cannot be used with"]);
    check(&["check"], 64, &["required"]);
    check(&["check", "--model", "linearisable", "x"], 64, &["no model `linearisable`", "did you mean `linearizable`?"]);
}

#[test]
fn a_bad_plan_is_65_and_every_place_is_named() {
    let bench = Bench::new();
    bench.write(
        "bad.toml",
        "[system]\nkind = \"raft-kv\"\nnodes = 5.0\n\n[load]\nrate = 2000\n\n[phase]\nload = \"1s\"\n",
    );
    let ended = bench.assize(&["run", "bad.toml"]).expect(65);
    said(&ended, &["bad.toml:3:9", "bad.toml:6:8", "`\"2000/s\"`", "bad.toml:8:2", "did you mean `phases`?"]);
    assert!(ended.err.matches("error:").count() >= 3, "{}", ended.err);
    assert!(!bench.path("runs").exists(), "a plan that cannot be run makes no run folder");
}

#[test]
fn a_bad_override_is_65_and_shown_like_a_line_of_the_plan() {
    check(&["run", "raft-kv", "--set", "load.rate=fast"], 65, &["--set", "load.rate", "is not a rate"]);
    check(&["run", "raft-kv", "--set", "load.rat=5/s"], 65, &["unknown setting `rat`", "did you mean `rate`?"]);
}

#[test]
fn a_bad_history_is_65() {
    let bench = Bench::new();
    bench.write("bad.jsonl", "{\"process\":0,\"f\":\"write\"\n");
    said(&bench.assize(&["check", "bad.jsonl"]).expect(65), &["bad.jsonl"]);
}

#[test]
fn what_is_not_there_is_66() {
    check(&["run", "raft-kw"], 66, &["there is no plan `raft-kw`", "did you mean `raft-kv`?"]);
    check(&["check", "nowhere.jsonl"], 66, &["nowhere.jsonl"]);
    check(&["report", "runs/nowhere"], 66, &["runs/nowhere"]);
    check(&["report"], 66, &["runs/latest"]);
    check(&["export", "runs/nowhere"], 66, &["runs/nowhere"]);
}

#[test]
fn a_missing_program_is_69_and_names_its_package() {
    let bench = Bench::new();
    let output = bench.command(&["run", "etcd"]).env("PATH", "").output().expect("it runs");
    said(&Ended::of(output).expect(69), &["`etcd`", "etcd-server"]);
    let left = std::fs::read_dir(bench.path("state/assize")).map_or(0, |files| {
        files.flatten().filter(|file| file.path().extension().is_some_and(|ending| ending == "json")).count()
    });
    assert_eq!(left, 0, "a run that could not start leaves no state file");
}

#[test]
fn a_node_that_does_not_start_is_69_with_the_end_of_its_log() {
    let bench = Bench::new();
    let start = "sh -c 'echo no such disk >&2; exit 3'";
    bench.assize(&["new", "system", "mine"]).expect(0);
    let start = format!("system.start={start:?}");
    let ended = bench.assize(&["run", "mine.toml", "--set", &start]).expect(69);
    said(&ended, &["n1 ended with", "no such disk"]);
    let ended = bench.assize(&["run", "mine.toml", "--set", "system.start=no-such-program"]).expect(69);
    said(&ended, &["`system.start` was not found", "no-such-program"]);
}

#[test]
fn new_files_are_plans_that_parse_and_are_never_overwritten() {
    let bench = Bench::new();
    for what in ["plan", "system"] {
        said(&bench.assize(&["new", what, what]).expect(0), &[&format!("wrote {what}.toml")]);
        let file = bench.path(&format!("{what}.toml"));
        let text = std::fs::read_to_string(&file).expect("it was written");
        let source = run::plan::Source { name: what, text: &text, ..Default::default() };
        let plan = run::plan::read(&source).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(plan.name, what);
        said(&bench.assize(&["new", what, what]).expect(64), &["exists already"]);
        assert_eq!(std::fs::read_to_string(&file).expect("it is still there"), text);
    }
}

#[test]
fn check_prints_a_line_each_and_ends_with_the_worst() {
    let bench = Bench::new();
    bench.write("good.jsonl", VALID);
    bench.write("bad.jsonl", INVALID);
    said(&bench.assize(&["check", "good.jsonl"]).expect(0), &["good.jsonl: linearizable valid (2 operations"]);
    let both = bench.assize(&["check", "bad.jsonl", "good.jsonl"]).expect(1);
    said(&both, &["bad.jsonl: linearizable invalid (2 operations", "good.jsonl: linearizable valid (2 operations"]);
    bench.assize(&["check", "bad.jsonl", "nowhere.jsonl", "good.jsonl"]).expect(66);
}

#[test]
fn check_in_json_has_the_documented_fields() {
    let bench = Bench::new();
    bench.write("good.jsonl", VALID);
    bench.write("bad.jsonl", INVALID);
    let lines = bench.assize(&["check", "--json", "good.jsonl", "bad.jsonl"]).expect(1).json();
    assert_eq!(lines.len(), 2);
    for (line, file, verdict) in [(&lines[0], "good.jsonl", "valid"), (&lines[1], "bad.jsonl", "invalid")] {
        assert_eq!((&line["file"], &line["verdict"]), (&file.into(), &verdict.into()));
        assert_eq!((&line["model"], &line["operations"]), (&"linearizable".into(), &2.into()));
        assert!(line["seconds"].as_f64().is_some_and(|seconds| seconds >= 0.0));
    }
    assert!(lines[0]["witness"].is_null());
    assert!(lines[1]["witness"]["story"].as_array().is_some_and(|story| !story.is_empty()));
}

#[test]
fn clean_finds_nothing_where_nothing_was_left() {
    check(&["clean"], 0, &["nothing to clean up"]);
}

#[test]
fn the_reference_pages_are_up_to_date() {
    let docs = root().join("docs").display().to_string();
    check(&["reference", "--check", &docs], 0, &[]);
}

#[test]
fn every_plan_of_the_repository_is_built_in_and_parses() {
    let listed = Bench::new().assize(&["list", "plans"]).expect(0).out;
    let mut built_in: Vec<&str> =
        listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    built_in.retain(|name| !name.is_empty());
    let mut files = Vec::new();
    for (folder, prefix) in [("plans", ""), ("plans/bench", "bench/")] {
        for file in std::fs::read_dir(root().join(folder)).expect("the plans").flatten() {
            let name = file.file_name().into_string().expect("a name");
            files.extend(name.strip_suffix(".toml").map(|name| format!("{prefix}{name}")));
        }
    }
    built_in.sort_unstable();
    files.sort_unstable();
    assert_eq!(built_in, files);
    for name in &files {
        let path = root().join("plans").join(format!("{name}.toml")).display().to_string();
        let text = std::fs::read_to_string(&path).expect("a plan");
        let source = run::plan::Source { name: &path, text: &text, ..Default::default() };
        run::plan::read(&source).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn a_certificate_is_written_checked_again_and_refused_when_changed() {
    for (text, code, verdict) in [(VALID, 0, "valid"), (INVALID, 1, "invalid")] {
        let bench = Bench::new();
        bench.write("history.jsonl", text);
        let ended = bench.assize(&["check", "history.jsonl", "--certify", "proof.txt"]).expect(code);
        said(&ended, &[verdict, "certificate proof.txt: "]);
        let ended = bench.assize(&["check", "history.jsonl", "--certificate", "proof.txt"]).expect(code);
        said(&ended, &[verdict, "checked again by the certificate proof.txt"]);
        let ended = bench.assize(&["check", "history.jsonl", "--certificate", "proof.txt", "--json"]).expect(code);
        said(&ended, &["\"again\":true"]);
        let proof = std::fs::read_to_string(bench.path("proof.txt")).expect("the certificate was written");
        bench.write("forged.txt", &proof.replace("\n0 1\n", "\n1 -1\n").replace("witness", "order"));
        let ended = bench.assize(&["check", "history.jsonl", "--certificate", "forged.txt"]).expect(65);
        said(&ended, &["error: forged.txt", "the certificate is refused"]);
    }
    let bench = Bench::new();
    bench.write("history.jsonl", VALID);
    bench.assize(&["check", "history.jsonl", "history.jsonl", "--certify", "proof.txt"]).expect(64);
    bench.assize(&["check", "history.jsonl", "--certificate", "missing.txt"]).expect(66);
    bench.write("other.txt", "nothing\n");
    let ended = bench.assize(&["check", "history.jsonl", "--certificate", "other.txt"]).expect(65);
    said(&ended, &["other.txt:1: expected `assize-certificate 1`"]);
}

#[test]
fn a_history_that_says_nothing_is_not_called_valid() {
    let bench = Bench::new();
    bench.write("odd.jsonl", "{\"process\":0,\"f\":\"frob\",\"key\":1,\"sent\":30,\"done\":40,\"outcome\":\"ok\"}\n");
    said(
        &bench.assize(&["check", "--lenient", "odd.jsonl"]).expect(2),
        &["unknown: there are no operations to judge", "1 malformed event skipped"],
    );
    bench.write("orphan.edn", "{:type :ok :process 0 :f :write :value 1}\n");
    said(
        &bench.assize(&["check", "--lenient", "orphan.edn"]).expect(64),
        &["no event is left to judge; the first mistake is"],
    );
    bench.write("back.jsonl", &VALID.replace("\"done\":20", "\"done\":5"));
    said(
        &bench.assize(&["check", "back.jsonl"]).expect(65),
        &["back.jsonl:1:61: expected a time in `done` that is not before `sent`, 10, not 5"],
    );
    said(
        &bench.assize(&["check", "--model", "snapshot-isolaton", "x"]).expect(64),
        &["did you mean `snapshot-isolation`?"],
    );
}
