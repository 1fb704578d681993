//! Where the stack's files are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;

/// The one setting of the library.
#[derive(Debug, Clone, Parser)]
pub struct Location {
    /// Folder for the fetched packages, the model and the servers' data
    #[arg(long, env = "STACK_DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.stack"))]
    pub stack_dir: PathBuf,
}

impl Location {
    /// Reads `STACK_DIR`, for callers without a command line of their own.
    pub fn from_environment() -> Result<Self> {
        Ok(Self::try_parse_from(["devstack"])?)
    }

    /// The folder as an absolute path; it is created.
    pub fn folder(&self) -> Result<PathBuf> {
        std::fs::create_dir_all(&self.stack_dir)
            .with_context(|| format!("cannot create {}", self.stack_dir.display()))?;
        let folder = self.stack_dir.canonicalize()?;
        Ok(folder)
    }
}

/// What [`crate::ensure`] has put in place.
#[derive(Debug, Clone)]
pub struct Paths {
    /// The folder that holds everything.
    pub stack: PathBuf,
    /// `nats-server` and `valkey-server`.
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

impl Paths {
    /// The environment variables by which the services find the libraries and the model.
    pub fn environment(&self) -> [(&'static str, &Path); 3] {
        [("ORT_DYLIB_PATH", &self.onnxruntime), ("PDFIUM_PATH", &self.pdfium), ("MODEL_DIR", &self.model)]
    }
}
