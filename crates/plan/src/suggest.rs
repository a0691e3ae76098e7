/// The candidate that was probably meant, if one is near enough: at most a third of the letters wrong or swapped, or
/// one is the start of the other.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lowered = name.to_lowercase();
    let distance = |candidate: &str| strsim::damerau_levenshtein(&lowered, &candidate.to_lowercase());
    candidates
        .into_iter()
        .filter(|candidate| *candidate != name)
        .filter(|candidate| is_start(&lowered, candidate) || distance(candidate) <= tolerance(&lowered, candidate))
        .min_by_key(|candidate| distance(candidate))
}

fn tolerance(name: &str, candidate: &str) -> usize {
    let letters = name.chars().count().max(candidate.chars().count());
    (letters / 3).max(usize::from(letters > 1))
}

fn is_start(name: &str, candidate: &str) -> bool {
    name.len().min(candidate.len()) >= 3 && (candidate.starts_with(name) || name.starts_with(candidate))
}

/// `` `a`, `b` and `c` ``
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised_and_another_word_is_not() {
        let names = ["rate", "profile", "processes", "think"];
        assert_eq!(nearest("rat", names), Some("rate"));
        assert_eq!(nearest("raet", names), Some("rate"));
        assert_eq!(nearest("process", names), Some("processes"));
        assert_eq!(nearest("Profile", names), Some("profile"));
        assert_eq!(nearest("timeout", names), None);
        assert_eq!(nearest("", names), None);
        assert_eq!(nearest("x", ["y"]), None);
    }
}
