//! Makes the default embedding model with the scripts in `model/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::fetch::{Stamp, report};
use crate::packages::{self, remove, run};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../model");

/// The second step: `model` in the stack's folder.
pub struct Step {
    stack: PathBuf,
    /// Of the virtual environment.
    tools: Stamp,
    model: Stamp,
}

impl Step {
    pub fn new(stack: &Path) -> Result<Self> {
        let requirements = read("requirements.txt")?;
        let weights = packages::weights_pin();
        let mut inputs = vec![weights.into_bytes(), requirements.clone()];
        for script in ["make_model.py", "weights.py", "graph.py", "vocabulary.py", "check_model.py"] {
            inputs.push(read(script)?);
        }
        Ok(Self {
            stack: stack.to_owned(),
            tools: Stamp::new(stack.join("model-tools.stamp"), [requirements.as_slice()]),
            model: Stamp::new(stack.join("model.stamp"), inputs.iter().map(Vec::as_slice)),
        })
    }

    pub fn is_done(&self) -> bool {
        self.model.is_current() && self.stack.join("model/model.onnx").is_file()
    }

    pub fn run(&self) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        self.model.remove()?;
        let python = self.tools()?;
        let started = Instant::now();
        report("making the embedding model from the weights (120 MB, needs 1.3 GB of memory for a moment)");
        run(Command::new(python)
            .arg("-B")
            .arg(Path::new(SCRIPTS).join("make_model.py"))
            .arg(self.stack.join("weights/e5-small-q4.bin"))
            .arg(self.stack.join("model")))
        .context("cannot make the embedding model")?;
        self.model.write()?;
        report(format_args!("  made and checked in {:.1} s", started.elapsed().as_secs_f32()));
        Ok(())
    }

    /// The Python of a virtual environment that has what the scripts need.
    fn tools(&self) -> Result<PathBuf> {
        let folder = self.stack.join("model-tools");
        let python = folder.join("bin/python");
        if self.tools.is_current() && python.exists() {
            return Ok(python);
        }
        let started = Instant::now();
        report("installing what makes the embedding model (onnx, numpy, tokenizers, onnxruntime; 60 MB)");
        self.tools.remove()?;
        remove(&folder)?;
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))
            .context("cannot create a virtual environment; on Debian and Ubuntu: apt install python3-venv")?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"])
            .args(["--require-hashes", "--no-deps", "--only-binary=:all:", "--requirement"])
            .arg(Path::new(SCRIPTS).join("requirements.txt")))
        .context("cannot install model/requirements.txt (it is for Python 3.9 to 3.14)")?;
        self.tools.write()?;
        report(format_args!("  in {:.1} s", started.elapsed().as_secs_f32()));
        Ok(python)
    }
}

fn read(file: &str) -> Result<Vec<u8>> {
    let path = Path::new(SCRIPTS).join(file);
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}
