//! What the ingest workers write into Redis and the api reads: the generations of projects, by which cached answers are
//! known to be true still.

/// The key of the generation of all projects together.
pub const GENERATION: &str = "acorag:gen";

/// What a generation begins with while a commit may be under way: no answer is kept under it.
pub const CHANGING: char = '~';

/// The key of one project's generation, by the project's token.
pub fn generation_of(project: &str) -> String {
    format!("{GENERATION}:{project}")
}
