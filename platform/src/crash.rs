//! Crash points: places where a test can end this process, as a loss of power would. The profile `dev` has them; in other
//! builds a point does nothing.
//!
//! `CRASH_POINTS` names a folder. A file `POINT@SUBJECT` in it arms a point for one subject: a project, a message, an
//! object. The process that comes there removes the file and ends at once, so each armed point is hit once.

/// Ends this process if the point is armed for this subject.
pub fn point(name: &str, subject: &str) {
    if cfg!(debug_assertions) && is_armed(name, subject) {
        // No destructor runs and nothing is written out.
        std::process::abort();
    }
}

fn is_armed(name: &str, subject: &str) -> bool {
    // No setting of the service: `clap` does not know it.
    let Some(folder) = std::env::var_os("CRASH_POINTS") else { return false };
    std::fs::remove_file(std::path::Path::new(&folder).join(format!("{name}@{subject}"))).is_ok()
}
