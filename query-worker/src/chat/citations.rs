//! The citations of an answer while it streams: `[n]` of a source stays, an invented one is taken out.

/// A bracket that goes on longer than this is no citation.
const MAX_BRACKET_CHARS: usize = 40;

/// Text goes in as it comes, in any pieces; text comes out with good citations only.
#[derive(Debug, Default)]
pub struct Citations {
    sources: u32,
    pending: String,
    cited: Vec<u32>,
}

impl Citations {
    /// For an answer that may cite sources 1 to `sources`.
    pub fn of(sources: usize) -> Self {
        Self { sources: u32::try_from(sources).unwrap_or(u32::MAX), ..Self::default() }
    }

    /// Takes the next piece and gives what is certain by now.
    pub fn push(&mut self, piece: &str) -> String {
        self.pending.push_str(piece);
        self.take(false)
    }

    /// Gives the rest.
    pub fn finish(&mut self) -> String {
        self.take(true)
    }

    /// What was cited, in the order of first mention.
    pub fn cited(&self) -> &[u32] {
        &self.cited
    }

    fn take(&mut self, last: bool) -> String {
        let mut out = String::new();
        loop {
            let Some(open) = self.pending.find('[') else {
                // White space may stand before a citation that turns out to be invented, and goes with it.
                let end = if last { self.pending.len() } else { self.pending.trim_end().len() };
                out.push_str(&self.pending[..end]);
                self.pending.drain(..end);
                return out;
            };
            let before = self.pending[..open].trim_end().len();
            let inside = &self.pending[open + 1..];
            match inside.find(|c: char| !is_citation_char(c)) {
                Some(close)
                    if inside[close..].starts_with(']')
                        && inside[..close].contains(|c: char| c.is_ascii_digit()) =>
                {
                    let numbers = self.known(&inside[..close]);
                    out.push_str(&self.pending[..before]);
                    if !numbers.is_empty() {
                        out.push_str(&self.pending[before..open]);
                    }
                    for number in numbers {
                        out.push_str(&format!("[{number}]"));
                        if !self.cited.contains(&number) {
                            self.cited.push(number);
                        }
                    }
                    self.pending.drain(..open + 1 + close + 1);
                }
                None if !last && inside.len() <= MAX_BRACKET_CHARS => {
                    // It may still become a citation.
                    out.push_str(&self.pending[..before]);
                    self.pending.drain(..before);
                    return out;
                }
                _ => {
                    out.push_str(&self.pending[..=open]);
                    self.pending.drain(..=open);
                }
            }
        }
    }

    /// The numbers in a bracket that are sources: "1", "1, 3", "2-4".
    fn known(&self, inside: &str) -> Vec<u32> {
        let mut numbers = Vec::new();
        for part in inside.split([',', ';', ' ']).map(str::trim).filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once(['-', '–']).unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
                numbers.extend((first..=last.min(self.sources)).filter(|n| (1..=self.sources).contains(n)));
            }
        }
        numbers.dedup();
        numbers
    }
}

fn is_citation_char(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, ',' | ';' | ' ' | '-' | '–')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, however the text is cut.
    fn filtered(sources: usize, text: &str) -> (String, Vec<u32>) {
        let mut results = Vec::new();
        for length in [1, 2, 3, 5, 1_000] {
            let mut citations = Citations::of(sources);
            let mut out = String::new();
            let chars: Vec<char> = text.chars().collect();
            for piece in chars.chunks(length) {
                out.push_str(&citations.push(&piece.iter().collect::<String>()));
            }
            out.push_str(&citations.finish());
            results.push((out, citations.cited().to_vec()));
        }
        assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
        results.remove(0)
    }

    #[test]
    fn invented_citations_go_and_good_ones_stay() {
        assert_eq!(
            filtered(2, "Siete días [1]. Diez en invierno [7]."),
            ("Siete días [1]. Diez en invierno.".into(), vec![1])
        );
        assert_eq!(filtered(3, "a [3, 9, 1] b[2][4]"), ("a [3][1] b[2]".into(), vec![3, 1, 2]));
        assert_eq!(filtered(3, "a [2-9]."), ("a [2][3].".into(), vec![2, 3]));
        assert_eq!(filtered(1, "a [0] [1]"), ("a [1]".into(), vec![1]));
    }

    #[test]
    fn other_brackets_are_text() {
        for text in ["[nota] x", "a [", "a [1", "[ ]", "x[1.5]", "[]", "[[1x]]", "ñ [é", " [ [", "end  "] {
            assert_eq!(filtered(3, text), (text.to_owned(), vec![]), "{text}");
        }
    }

    #[test]
    fn a_hostile_range_costs_nothing() {
        assert_eq!(filtered(2, "[1-4294967295]").1, [1, 2]);
        assert_eq!(filtered(2, "[99999999999999999999]").0, "");
    }
}
