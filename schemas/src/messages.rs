//! The catalogue of sentences for users, each in Spanish and English side by side, one file per topic. Other code calls
//! a sentence by its name and never contains its text.

use crate::{Message, Problem, ProblemKind, problem::Reason, text};

/// Declares sentences: each becomes a function, and both languages may use its arguments as `{argument}`. The compiler
/// checks that they exist.
macro_rules! catalogue {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),* $(,)?) { $es:literal, $en:literal })*) => {
        $(
            $(#[$doc])*
            pub fn $name($($argument: $type),*) -> $crate::Message {
                $crate::Message { es: format!($es), en: format!($en) }
            }
        )*
    };
}

pub mod answers;
pub mod calls;
pub mod fields;
pub mod http;
pub mod jobs;
pub mod reading;

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

    /// Turns the sentence into the reason of a final failure. NUL is removed, because PostgreSQL cannot store it and a
    /// sentence may quote text from outside.
    pub fn reason(self, code: &str) -> Reason {
        let [es, en] = [self.es, self.en].map(text::without_nul);
        Reason { code: code.to_owned(), message: Self { es, en } }
    }
}
