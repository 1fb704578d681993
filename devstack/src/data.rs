//! The data of the servers, temporary or in a folder that is kept.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

use crate::{Location, report, shelter};

/// Where the servers store their data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Data {
    /// The data starts empty and is removed at the end.
    #[default]
    Temporary,
    /// The data is in this folder and is kept.
    At(PathBuf),
}

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
    let _alone = lock(&stack.join("lock"), "another process is preparing the stack; waiting for it")?;
    wipe(&stack.join("demo"))?;
    sweep(&stack.join("tmp"))?;
    remove(&shelter::shelter(&stack))?;
    for entry in fs::read_dir(&stack)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if name == "data" || name == "tmp" {
            continue;
        }
        if path.is_dir() {
            remove(&path)?;
        } else {
            fs::remove_file(&path)?;
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
    pub fn open(stack: &Path, data: &Data) -> Result<Self> {
        match data {
            Data::Temporary => Self::temporary(&stack.join("tmp")),
            Data::At(path) => {
                fs::create_dir_all(path).with_context(|| format!("cannot create {}", path.display()))?;
                let path = path.canonicalize()?;
                Ok(Self { _claim: claim(&path)?, path, temporary: false })
            }
        }
    }

    fn temporary(parent: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        fs::create_dir_all(parent)?;
        sweep(parent)?;
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

/// Removes the folders of processes that were killed.
fn sweep(parent: &Path) -> Result<()> {
    if !parent.exists() {
        return Ok(());
    }
    let _alone = lock_parent(parent)?;
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        // A folder without a lock file does not belong to a stack.
        if path.join("lock").is_file() && claim(&path).is_ok() {
            // A server that has not noticed its parent's death may still be writing; the next sweep removes the folder.
            let _ = remove_both(&path);
        }
    }
    Ok(())
}

/// Removes the folder and its shelter.
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

/// Takes a lock, which is held until the file is dropped or this process ends.
fn lock(path: &Path, waiting: &str) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            report(waiting);
            file.lock()?;
        }
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    Ok(file)
}

fn lock_parent(parent: &Path) -> Result<File> {
    lock(&parent.join("lock"), "waiting while another start makes room for its data")
}

fn claim(folder: &Path) -> Result<File> {
    let file =
        File::create(folder.join("lock")).with_context(|| format!("cannot write in {}", folder.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another stack is running on the data in {}; stop it first", folder.display())
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}
