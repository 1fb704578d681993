//! The catalogue of sentences for people, each in Spanish and English side by side. A file a subject; code names a
//! sentence and never spells one.

use crate::{Message, Problem, ProblemKind, problem::Reason, text};

/// Declares sentences: a function each, whose arguments both languages may quote as `{argument}`. The compiler checks
/// that they do so rightly.
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
    /// As the answer to a call that failed.
    pub fn problem(self, kind: ProblemKind) -> Problem {
        Problem { kind, detail: self, retry_after: None }
    }

    /// As the refusal of one field of a request, which it names.
    pub fn about(self, field: &str) -> Problem {
        let Self { es, en } = self;
        Self { es: format!("{field}: {es}"), en: format!("{field}: {en}") }.problem(ProblemKind::BadRequest)
    }

    /// As the reason why something failed for good. PostgreSQL stores no NUL, and a sentence may quote text from
    /// outside.
    pub fn reason(self, code: &str) -> Reason {
        let [es, en] = [self.es, self.en].map(text::without_nul);
        Reason { code: code.to_owned(), message: Self { es, en } }
    }
}
