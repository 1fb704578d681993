//! The data of the servers, temporary or in a folder that is kept.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{Location, report, shelter};

/// How long the logs of programs that ran on temporary data are kept.
const KEEP_LOGS: Duration = Duration::from_secs(24 * 3600);

/// Removes the data that a stack has stored in a folder.
pub fn wipe(folder: &Path) -> Result<()> {
    if let Ok(folder) = folder.canonicalize() {
        let _unused = claim(&folder)?;
        remove_both(&folder)?;
    }
    Ok(())
}

/// Removes everything that was fetched or made, except the data of `devstack up`.
pub fn clean(location: &Location) -> Result<()> {
    let stack = location.folder()?;
    let _alone = wait_for(&stack, "another process is preparing the stack; waiting for it")?;
    wipe(&stack.join("demo"))?;
    sweep(&stack.join("tmp"), Duration::ZERO)?;
    remove(&shelter::shelter(&stack))?;
    for entry in fs::read_dir(&stack)? {
        let path = entry?.path();
        match path.file_name().unwrap_or_default().to_str() {
            Some("data" | "tmp") => {}
            _ if path.is_dir() => remove(&path)?,
            _ => fs::remove_file(&path)?,
        }
    }
    Ok(())
}

/// A folder for the data, locked by this process.
pub(crate) struct Folder {
    pub path: PathBuf,
    temporary: bool,
    /// The last field, so that the lock is released after the folder is removed.
    _claim: File,
}

impl Folder {
    /// Opens the given folder, or creates a temporary one.
    pub fn open(stack: &Path, given: Option<&Path>) -> Result<Self> {
        let Some(path) = given else { return Self::temporary(&stack.join("tmp")) };
        fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
        let path = path.canonicalize()?;
        Ok(Self { _claim: claim(&path)?, path, temporary: false })
    }

    fn temporary(parent: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(parent)?;
        sweep(parent, KEEP_LOGS)?;
        // No other process may remove the folder between its creation and its lock.
        let _alone = lock_parent(parent)?;
        let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = parent.join(name);
        fs::create_dir(&path)?;
        Ok(Self { _claim: claim(&path)?, path, temporary: true })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // If something remains, the next start removes it.
            let _ = remove_both(&self.path);
        }
    }
}

/// Removes the folders of processes that were killed, and folders of logs that are older than `keep_logs`.
fn sweep(parent: &Path, keep_logs: Duration) -> Result<()> {
    if !parent.exists() {
        return Ok(());
    }
    let _alone = lock_parent(parent)?;
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let is_over = if path.join("lock").is_file() {
            claim(&path).is_ok()
        } else {
            // A folder without a lock file does not belong to a stack; it contains the logs of programs.
            let modified = path.metadata().and_then(|metadata| metadata.modified());
            let age = modified.ok().and_then(|modified| modified.elapsed().ok());
            path.is_dir() && age.is_some_and(|age| age >= keep_logs)
        };
        if is_over {
            // A server that has not noticed its parent's death may still be writing; the next sweep removes the folder.
            let _ = remove_both(&path);
        }
    }
    Ok(())
}

fn remove_both(folder: &Path) -> Result<()> {
    remove(&shelter::shelter(folder))?;
    remove(folder)
}

pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn lock_parent(parent: &Path) -> Result<File> {
    wait_for(parent, "waiting while another start makes room for its data")
}

fn wait_for(folder: &Path, waiting: &str) -> Result<File> {
    lock(folder, |file| {
        report(waiting);
        Ok(file.lock()?)
    })
}

fn claim(folder: &Path) -> Result<File> {
    lock(folder, |_| bail!("another stack is running on the data in {}; stop it first", folder.display()))
}

/// Locks a folder until the file is dropped or this process ends. `taken` is called if another process has the lock.
fn lock(folder: &Path, taken: impl FnOnce(&File) -> Result<()>) -> Result<File> {
    let file =
        File::create(folder.join("lock")).with_context(|| format!("cannot write in {}", folder.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => taken(&file)?,
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_logs_are_removed() {
        let parent = std::env::temp_dir().join(format!("devstack-logs-{}", std::process::id()));
        let logs = parent.join("services-1");
        fs::create_dir_all(&logs).unwrap();
        sweep(&parent, KEEP_LOGS).unwrap();
        assert!(logs.exists());
        sweep(&parent, Duration::ZERO).unwrap();
        assert!(!logs.exists());
        fs::remove_dir_all(parent).unwrap();
    }
}
