//! The catalogue of sentences for users, each in Spanish and English side by side, one file per topic. Other code calls
//! a sentence by its name and never contains its text.

use crate::{Message, Problem, ProblemKind, problem::Reason, text};

/// Declares sentences: each becomes a function, and both languages may use its arguments as `{argument}`. The compiler
/// checks that they exist. With `=> Kind`, the function returns the sentence as a problem of this kind.
macro_rules! catalogue {
    ($(
        $(#[$doc:meta])*
        $name:ident($($argument:ident: $type:ty),* $(,)?) $(=> $kind:ident)? { $es:literal, $en:literal }
    )*) => {
        $(
            $(#[$doc])*
            pub fn $name($($argument: $type),*) -> catalogue!(@type $($kind)?) {
                let message = $crate::Message { es: format!($es), en: format!($en) };
                catalogue!(@value message $($kind)?)
            }
        )*
    };
    (@type) => { $crate::Message };
    (@type $kind:ident) => { $crate::Problem };
    (@value $message:ident) => { $message };
    (@value $message:ident $kind:ident) => { $message.problem($crate::ProblemKind::$kind) };
}

pub mod answers;
pub mod calls;
pub mod fields;
pub mod http;
pub mod jobs;
pub mod reading;
pub mod refusal;

/// Maximum length of a reason in each language, in characters. JetStream refuses a message with headers of 64 KiB.
pub const MAX_REASON_CHARS: usize = 500;

impl Message {
    /// Turns the sentence into the answer to a failed call.
    pub fn problem(self, kind: ProblemKind) -> Problem {
        Problem { kind, detail: self, retry_after: None }
    }

    /// Turns the sentence into the refusal of a field of a request, and names the field.
    pub fn about(self, field: &str) -> Problem {
        let Self { es, en } = self;
        Self { es: format!("{field}: {es}"), en: format!("{field}: {en}") }.problem(ProblemKind::BadRequest)
    }

    /// Turns the sentence into the reason of a final failure. A sentence may quote text from outside: NUL is removed,
    /// because PostgreSQL cannot store it, and a long sentence is cut, because the headers of a dead letter must hold it.
    pub fn reason(self, code: &str) -> Reason {
        let [es, en] =
            [self.es, self.en].map(|text| text::shorten(&text::without_nul(text), MAX_REASON_CHARS));
        Reason { code: code.to_owned(), message: Self { es, en } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_quotes_a_long_text_is_cut() {
        let why = format!("invalid type: string \"{}\", expected a map\0", "ñ".repeat(40_000));
        let message = jobs::bad_message(&why).reason("invalid_job").message;
        for (sentence, start) in
            [(&message.es, "El mensaje no es válido: "), (&message.en, "The message is not valid: ")]
        {
            assert!(sentence.starts_with(start) && sentence.ends_with('…'), "{sentence}");
            assert!(!text::is_longer(sentence, MAX_REASON_CHARS + 1), "{sentence}");
        }
    }
}
