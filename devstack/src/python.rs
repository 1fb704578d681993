//! Virtual environments for the project's Python scripts, one for each requirements file.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::fetch::{Stamp, lock, report};
use crate::packages::{remove, run};
use crate::paths::Location;

/// The Python interpreter of an environment that has what a requirements file lists; made when it is missing or the
/// file has changed.
pub fn python_for(location: &Location, requirements: &Path) -> Result<PathBuf> {
    environment(&location.folder()?, requirements)
}

pub(crate) fn environment(stack: &Path, requirements: &Path) -> Result<PathBuf> {
    let requirements =
        requirements.canonicalize().with_context(|| format!("cannot find {}", requirements.display()))?;
    let text = std::fs::read_to_string(&requirements)?;
    let owner = requirements.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let folder = stack.join(format!("python-{owner}"));
    let python = folder.join("bin/python");
    let stamp = Stamp::new(stack.join(format!("python-{owner}.stamp")), [text.as_bytes()]);
    let is_done = || stamp.is_current() && python.exists();
    if is_done() {
        return Ok(python);
    }
    let _alone = lock(
        &stack.join(format!("python-{owner}.lock")),
        "another process is installing the same Python packages; waiting for it",
    )?;
    if is_done() {
        return Ok(python);
    }
    let started = Instant::now();
    let names: Vec<_> = text.lines().filter_map(|line| Some(line.split_once("==")?.0)).collect();
    report(format_args!("installing the Python packages for {owner}/ ({})", unique(names).join(", ")));
    stamp.remove()?;
    remove(&folder)?;
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
        .context("cannot create a virtual environment; on Debian and Ubuntu: apt install python3-venv")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    pip.arg("--only-binary=:all:");
    if text.contains("--hash=") {
        // With hashes the file is complete.
        pip.args(["--require-hashes", "--no-deps"]);
    }
    run(pip.arg("--requirement").arg(&requirements)).with_context(|| {
        format!("cannot install {}; does it support this version of Python?", requirements.display())
    })?;
    stamp.write()?;
    report(format_args!("  in {:.1} s", started.elapsed().as_secs_f32()));
    Ok(python)
}

/// A package may be pinned once for each version of Python.
fn unique(mut names: Vec<&str>) -> Vec<&str> {
    names.dedup();
    names
}
