/// Makes the registry of rare paths of a specimen: `enum Mark`, with a variant for each, and `const MARKS: &[&str]`, their names. At most 64.
///
/// An actor that takes such a path says so ([`Out::mark`](crate::Out::mark)); a hunt tells which paths no run has taken, and so what
/// its silence does not vouch for.
///
/// ```
/// proto::marks! {
///     Empty = "an echo of nothing";
///     Late = "an echo after the client has gone";
/// }
/// assert_eq!(MARKS[usize::from(u8::from(Mark::Late))], "an echo after the client has gone");
/// ```
#[macro_export]
macro_rules! marks {
    ($($variant:ident = $name:literal;)+) => {
        /// A rare path.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mark { $(#[doc = $name] $variant,)+ }

        impl From<Mark> for u8 {
            fn from(mark: Mark) -> u8 {
                mark as u8
            }
        }

        /// The names of the rare paths, by number.
        pub const MARKS: &[&str] = &[$($name,)+];

        const _: () = assert!(MARKS.len() <= 64, "a set of marks is one word");
    };
}
