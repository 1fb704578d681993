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
mod tests;
