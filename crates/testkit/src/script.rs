//! Folders of scripts: one scenario a file, commands and what they answer, reviewed like code.

use std::path::Path;

/// Plays every `*.txt` of `folder` with `play`, which gives a script back with the answers as they are now, and panics with the
/// first difference of each file that changed. With `UPDATE_EXPECT=1` in the environment it rewrites the files instead.
///
/// A folder without scripts is a mistake, and panics too.
pub fn check(folder: impl AsRef<Path>, play: impl Fn(&str) -> String) {
    let folder = folder.as_ref();
    let update = std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} holds no scripts (*.txt)", folder.display());
    let mut differences = String::new();
    for file in files {
        let expected = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let actual = play(&expected);
        if actual == expected {
            continue;
        }
        if update {
            std::fs::write(&file, actual).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        } else {
            differences.push_str(&difference(&file, &expected, &actual));
        }
    }
    assert!(differences.is_empty(), "{differences}\nto accept the new answers: UPDATE_EXPECT=1 cargo test");
}

/// The first lines that differ, with what stands before them.
fn difference(file: &Path, expected: &str, actual: &str) -> String {
    let (expected, actual): (Vec<_>, Vec<_>) = (expected.lines().collect(), actual.lines().collect());
    let same = expected.iter().zip(&actual).take_while(|(a, b)| a == b).count();
    let mut text = format!("\n{}:{}\n", file.display(), same + 1);
    let show = |mark: char, lines: &[&str]| lines.iter().take(8).map(|l| format!("{mark} {l}\n")).collect::<String>();
    text.push_str(&show(' ', &expected[same.saturating_sub(4)..same]));
    text.push_str(&show('-', &expected[same..]));
    text.push_str(&show('+', &actual[same..]));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_answer_is_shown_where_it_changed() {
        let text = difference(Path::new("a.txt"), "run\n----\nold\n", "run\n----\nnew\n");
        assert_eq!(text, "\na.txt:3\n  run\n  ----\n- old\n+ new\n");
    }
}
