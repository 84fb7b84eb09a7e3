//! What the unit tests of several modules share.

use std::collections::BTreeMap;
use std::fmt::Debug;

/// Holds what `section()` says of every variant of a file's enum against the first line of the variant's
/// doc, which names the section too. `every` must have a value of each variant.
#[track_caller]
pub(crate) fn assert_sections<E: Debug>(
    source: &str,
    every: impl IntoIterator<Item = (E, &'static str)>,
) {
    let (_, body) = source.split_once("\npub enum ").expect("an enum");
    let (body, _) = body.split_once("\n}\n").expect("its end");
    let mut documented = BTreeMap::new();
    let mut section = None;
    for line in body.lines().skip(1).map(str::trim) {
        match line.strip_prefix("/// ") {
            Some(doc) => section = section.or_else(|| doc.split(':').next()),
            None => {
                documented.insert(name(line), section.take().expect("a doc with a section"));
            }
        }
    }
    assert!(documented.len() > 5, "{documented:?}");
    let said = every.into_iter().map(|(error, section)| (name(&format!("{error:?}")), section));
    assert_eq!(said.collect::<BTreeMap<_, _>>(), documented);
}

/// The name of a variant without what it holds.
fn name(variant: &str) -> String {
    variant.chars().take_while(|c| c.is_alphanumeric()).collect()
}
