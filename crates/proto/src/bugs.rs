/// A bug that can be planted in a specimen by one switch, to prove that the bench finds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bug {
    /// The switch: `stale-read`.
    pub name: &'static str,
    /// What the code does wrong, in one sentence.
    pub about: &'static str,
    /// Where it happened: issue, paper, analysis.
    pub source: &'static str,
    /// The oracle, checker or objective that must catch it.
    pub caught_by: &'static str,
}

/// Makes the registry of planted bugs of a specimen: `enum Planted`, with a variant for each, and `const BUGS: &[Bug]`.
///
/// ```
/// proto::bugs! {
///     "echo";
///     Silent = "silent", "progress", "somebody's echo, issue 1", "the server answers nothing";
/// }
/// assert_eq!(Planted::parse("silent"), Ok(Some(Planted::Silent)));
/// assert_eq!(Planted::parse("none"), Ok(None));
/// assert_eq!(Planted::Silent.about(), &BUGS[0]);
/// ```
#[macro_export]
macro_rules! bugs {
    ($specimen:literal; $($variant:ident = $name:literal, $caught_by:expr, $source:literal, $about:literal;)+) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Planted { $(#[doc = $about] $variant,)+ }

        impl Planted {
            /// Every bug, in the order of [`BUGS`].
            pub const ALL: &[Planted] = &[$(Planted::$variant,)+];

            /// The bug that a setting names; empty and `none` name none.
            ///
            /// # Errors
            /// If there is no such bug: which there are.
            pub fn parse(text: &str) -> Result<Option<Planted>, String> {
                match text {
                    "" | "none" => Ok(None),
                    $($name => Ok(Some(Planted::$variant)),)+
                    _ => Err(format!(
                        "`{text}` is no bug of {}; there are {}",
                        $specimen,
                        BUGS.iter().map(|bug| bug.name).collect::<Vec<_>>().join(", "),
                    )),
                }
            }

            /// What the registry says of it.
            pub fn about(self) -> &'static $crate::Bug {
                &BUGS[self as usize]
            }
        }

        /// The registry of planted bugs: `bug = NAME`.
        pub const BUGS: &[$crate::Bug] = &[
            $($crate::Bug { name: $name, about: $about, source: $source, caught_by: $caught_by },)+
        ];
    };
}

#[cfg(test)]
mod tests {
    crate::bugs! {
        "echo";
        Silent = "silent", "progress", "issue 1", "the server answers nothing";
        Twice = "twice", "integrity", "issue 2", "the server answers twice";
    }

    #[test]
    fn every_bug_is_found_by_its_name_and_a_wrong_name_names_the_right_ones() {
        for (bug, planted) in BUGS.iter().zip(Planted::ALL) {
            assert_eq!(Planted::parse(bug.name), Ok(Some(*planted)));
            assert_eq!(planted.about(), bug);
        }
        assert_eq!([Planted::parse(""), Planted::parse("none")], [Ok(None), Ok(None)]);
        let wrong = Planted::parse("typo").unwrap_err();
        assert_eq!(wrong, "`typo` is no bug of echo; there are silent, twice");
    }
}
