//! The generations of projects in Redis: the ingest workers write them, and the api reads them to know whether a cached
//! answer is still valid.

/// The key of the generation that covers all projects.
pub const GENERATION: &str = "acorag:gen";

/// First character of a generation while a commit may be in progress; no answer is cached then.
pub const CHANGING: char = '~';

/// Returns the key of a project's generation; `project` is the project's token.
pub fn generation_of(project: &str) -> String {
    format!("{GENERATION}:{project}")
}
