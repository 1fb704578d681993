//! Parts of a model's text that are not the answer: the word for "no answer", and its thoughts.

/// The word that the model must write if the documents do not answer.
pub const NO_ANSWER: &str = "NO_ANSWER";

const THINKING: (&str, &str) = ("<think>", "</think>");

/// Phrases with which models say that the documents do not answer, instead of that word or before it.
const DENIALS: &[&str] = &[
    "no_answer",
    "no encontr",
    "no encuentr",
    "no se encontr",
    "no se encuentr",
    "no menciona",
    "no se menciona",
    "no contiene",
    "no hay información",
    "no tengo información",
    "no aparece",
    "no indica",
    "no se indica",
    "no especifica",
    "no se especifica",
    "no proporciona",
    "no se proporciona",
    "no puedo responder",
    "not mention",
    "n't mention",
    "cannot answer",
    "can't answer",
    "not contain",
    "n't contain",
    "no information",
    "not provide",
    "n't provide",
    "not specif",
    "n't specif",
    "not indicate",
    "n't indicate",
    "not appear",
    "n't appear",
    "not find",
    "n't find",
    "not state",
    "n't state",
    "not say",
    "n't say",
    "unable to answer",
];

/// Holds back the beginning of an answer until it is certain that it is one.
#[derive(Debug, Default)]
pub struct AnswerStart {
    held: String,
    open: bool,
    /// Whether the model said that the documents do not answer.
    pub denied: bool,
}

impl AnswerStart {
    pub fn push(&mut self, piece: &str) -> String {
        if self.open {
            return piece.to_owned();
        }
        if self.denied {
            return String::new();
        }
        self.held.push_str(piece);
        let Some(answer) = without_thoughts(&self.held) else { return String::new() };
        let start = answer.trim_start_matches(|c: char| c.is_whitespace() || "*`\"'_#".contains(c));
        self.denied = start.starts_with(NO_ANSWER);
        if self.denied || NO_ANSWER.starts_with(start) {
            return String::new();
        }
        self.open = true;
        answer.trim_start().to_owned()
    }

    /// Returns the text that is still held back at the end: a few letters that only looked like the agreed word.
    pub fn finish(&mut self) -> String {
        if self.open || self.denied {
            return String::new();
        }
        without_thoughts(&std::mem::take(&mut self.held)).unwrap_or_default().trim().to_owned()
    }
}

/// Returns the text after the model's thoughts; None while the thoughts are not complete.
fn without_thoughts(text: &str) -> Option<&str> {
    let trimmed = text.trim_start();
    if let Some(thoughts) = trimmed.strip_prefix(THINKING.0) {
        return thoughts.split_once(THINKING.1).map(|(_, answer)| answer);
    }
    // Returns nothing while the text may be the beginning of the tag "<think>", such as "<thi".
    (trimmed.is_empty() || !THINKING.0.starts_with(trimmed)).then_some(trimmed)
}

/// Whether an answer without citations says in other words that the documents do not answer.
pub fn denies(answer: &str) -> bool {
    let answer = answer.to_lowercase().replace('’', "'");
    DENIALS.iter().any(|denial| answer.contains(denial))
}

#[cfg(test)]
mod tests;
