//! Filters the citations of a streamed answer: `[n]` of an existing source is kept, any other is removed.

/// Maximum number of bytes inside the brackets of a citation, enough for fifty sources; a longer bracket is ordinary text.
const MAX_BRACKET: usize = 200;

/// Filters text that arrives in pieces of any size.
#[derive(Debug, Default)]
pub struct Citations {
    sources: u32,
    pending: String,
    /// The cited sources, in the order of their first citation.
    pub cited: Vec<u32>,
}

impl Citations {
    /// Creates a filter for an answer that may cite the sources 1 to `sources`.
    pub fn of(sources: usize) -> Self {
        Self { sources: u32::try_from(sources).unwrap_or(u32::MAX), ..Self::default() }
    }

    /// Adds a piece of text and returns the text that is certain so far.
    pub fn push(&mut self, piece: &str) -> String {
        self.pending.push_str(piece);
        self.take(false)
    }

    pub fn finish(&mut self) -> String {
        self.take(true)
    }

    fn take(&mut self, last: bool) -> String {
        let mut out = String::new();
        loop {
            let Some(open) = self.pending.find('[') else {
                // White space is held back, because it is removed together with an invalid citation after it.
                let end = if last { self.pending.len() } else { self.pending.trim_end().len() };
                out.push_str(&self.pending[..end]);
                self.pending.drain(..end);
                return out;
            };
            let before = self.pending[..open].trim_end().len();
            let inside = &self.pending[open + 1..];
            match inside.find(|c: char| !is_citation_char(c)) {
                Some(close)
                    if close <= MAX_BRACKET
                        && inside[close..].starts_with(']')
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
                None if !last && inside.len() <= MAX_BRACKET => {
                    // This may still become a citation.
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

    /// Returns the existing sources in a bracket such as "1", "1, 3" or "2-4".
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
