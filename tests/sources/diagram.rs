// Reads the diagram at the head of a source, for the test beside it that walks its edges. It stands here
// to be included there, for a unit test cannot name a file of `tests/` as its module.
//
//     A, B -- this | that --> C -- so ------> D
//
// are five edges: from A and from B to C, each for two causes, and from C to D.
mod diagram {
    use std::collections::BTreeSet;

    /// An edge: from which state, for which cause, to which state.
    type Edge = (String, String, String);

    /// All edges in the comment that a source begins with.
    pub(super) fn drawn(source: &str) -> BTreeSet<Edge> {
        let mut edges = BTreeSet::new();
        for line in source.lines().map_while(|line| line.strip_prefix("//!")) {
            // States and causes take turns; behind a cause, a state begins with the tip of its arrow.
            let parts: Vec<&str> = line.split(" --").collect();
            for part in parts.windows(3).step_by(2) {
                let Some(to) = part[2].trim_start_matches('-').strip_prefix('>') else { continue };
                let from = part[0].trim_start_matches(['-', '>']);
                for from in from.split(',') {
                    for cause in part[1].split('|') {
                        edges.insert([from, cause, to].map(|name| name.trim().to_owned()).into());
                    }
                }
            }
        }
        edges
    }

    /// Fails unless the head of `source` draws the edges that were walked, and no others.
    pub(super) fn assert_drawn<'a>(
        source: &str,
        walked: impl IntoIterator<Item = (&'a str, &'a str, &'a str)>,
    ) {
        let owned = |(from, cause, to): (&str, &str, &str)| [from, cause, to].map(str::to_owned);
        let walked: BTreeSet<Edge> = walked.into_iter().map(owned).map(Edge::from).collect();
        let drawn = drawn(source);
        let not_walked: Vec<_> = drawn.difference(&walked).collect();
        let not_drawn: Vec<_> = walked.difference(&drawn).collect();
        assert!(
            not_walked.is_empty() && not_drawn.is_empty(),
            "drawn and not walked: {not_walked:#?}\nwalked and not drawn: {not_drawn:#?}"
        );
    }
}
