//! Puts everything in place, once.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::paths::{Location, Paths};
use crate::{data, model, packages, postgres};

/// Fetches what is missing into the folder `STACK_DIR` (default: `.stack` in the clone). When nothing is, this takes
/// milliseconds.
pub fn ensure() -> Result<Paths> {
    ensure_in(&Location::from_environment()?)
}

/// [`ensure`] with the folder given.
pub fn ensure_in(location: &Location) -> Result<Paths> {
    let stack = location.folder()?;
    let packages = packages::Step::new(&stack)?;
    let model = model::Step::new(&stack)?;
    if !(packages.is_done() && model.is_done() && postgres::installation_is_ready(&stack)?) {
        let _alone = lock(&stack.join("lock"), "another process is preparing the stack; waiting for it")?;
        // Whoever held the lock may have done it all.
        packages.run()?;
        postgres::prepare_installation(&stack)?;
        model.run()?;
    }
    Ok(Paths {
        bin: stack.join("bin"),
        postgres: postgres::installation(&stack)?,
        onnxruntime: stack.join("lib/libonnxruntime.so"),
        pdfium: stack.join("lib/libpdfium.so"),
        model: stack.join("model"),
        stack,
    })
}

/// Removes everything but `data`, which `devstack up` keeps.
pub fn clean(location: &Location) -> Result<()> {
    let stack = location.folder()?;
    let _alone = lock(&stack.join("lock"), "another process is preparing the stack; waiting for it")?;
    data::wipe(&stack.join("demo"))?;
    data::sweep(&stack.join("tmp"))?;
    packages::remove(&postgres::shelter(&stack))?;
    for entry in fs::read_dir(&stack)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default();
        if name == "data" || name == "tmp" {
            continue;
        }
        if path.is_dir() {
            packages::remove(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

/// One line of progress, on standard error: standard output belongs to whoever uses the stack.
pub fn report(line: impl std::fmt::Display) {
    // A closed standard error is no reason to stop.
    let _ = writeln!(std::io::stderr(), "devstack: {line}");
}

/// Held until it is dropped, or this process dies.
pub(crate) fn lock(path: &Path, waiting: &str) -> Result<File> {
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

/// Says that a step was done, and with which inputs.
pub(crate) struct Stamp {
    file: PathBuf,
    expected: String,
}

impl Stamp {
    pub fn new<'a>(file: PathBuf, inputs: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hash = Sha256::new();
        for input in inputs {
            hash.update((input.len() as u64).to_le_bytes());
            hash.update(input);
        }
        Self { file, expected: hex(&hash.finalize()) }
    }

    pub fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|found| found == self.expected)
    }

    pub fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Appears whole or not at all.
    pub fn write(&self) -> Result<()> {
        let part = self.file.with_extension("part");
        fs::write(&part, &self.expected)?;
        Ok(fs::rename(part, &self.file)?)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
