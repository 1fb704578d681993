//! Makes the default embedding model with the scripts in `model/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::fetch::{Stamp, report};
use crate::packages::{self, run};
use crate::python;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../model");

/// What decides the model, beside the weights.
const INPUTS: [&str; 6] =
    ["requirements.txt", "make_model.py", "weights.py", "graph.py", "vocabulary.py", "check_model.py"];

/// The second step: `model` in the stack's folder.
pub struct Step {
    stack: PathBuf,
    stamp: Stamp,
}

impl Step {
    pub fn new(stack: &Path) -> Result<Self> {
        let mut inputs = vec![packages::weights_pin().into_bytes()];
        for file in INPUTS {
            inputs.push(read(file)?);
        }
        Ok(Self {
            stack: stack.to_owned(),
            stamp: Stamp::new(stack.join("model.stamp"), inputs.iter().map(Vec::as_slice)),
        })
    }

    pub fn is_done(&self) -> bool {
        self.stamp.is_current() && self.stack.join("model/model.onnx").is_file()
    }

    pub fn run(&self) -> Result<()> {
        if self.is_done() {
            return Ok(());
        }
        self.stamp.remove()?;
        let python = python::environment(&self.stack, &Path::new(SCRIPTS).join("requirements.txt"))?;
        let started = Instant::now();
        report("making the embedding model from the weights (120 MB, needs 1.3 GB of memory for a moment)");
        run(Command::new(python)
            .arg("-B")
            .arg(Path::new(SCRIPTS).join("make_model.py"))
            .arg(self.stack.join("weights/e5-small-q4.bin"))
            .arg(self.stack.join("model")))
        .context("cannot make the embedding model")?;
        self.stamp.write()?;
        report(format_args!("  made and checked in {:.1} s", started.elapsed().as_secs_f32()));
        Ok(())
    }
}

fn read(file: &str) -> Result<Vec<u8>> {
    let path = Path::new(SCRIPTS).join(file);
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}
