//! Crash points: places at which a test can end this process, like a power failure. Only debug builds have them; in
//! other builds a point does nothing.
//!
//! The variable `CRASH_POINTS` names a folder. A file `POINT@SUBJECT` in it arms a point for one subject, such as a
//! project, a message or an object. The process that reaches the point removes the file and ends immediately, so each
//! armed point takes effect once.

use std::{path::Path, sync::Mutex};

/// Held while a point is examined: a process that ends at one point must not take the file of another on its way.
static EXAMINED: Mutex<()> = Mutex::new(());

/// Ends this process if the point is armed for this subject.
pub fn point(name: &str, subject: &str) {
    if !cfg!(debug_assertions) {
        return;
    }
    let _examined = EXAMINED.lock();
    // This variable is not a setting of the service, so `clap` does not know it.
    let Some(folder) = std::env::var_os("CRASH_POINTS") else { return };
    if std::fs::remove_file(Path::new(&folder).join(format!("{name}@{subject}"))).is_ok() {
        // No destructor runs, and buffers are not flushed.
        std::process::abort();
    }
}
