//! The sample documents of the repository, and searches and questions with known answers.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::Upload;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../samples");

pub fn samples() -> Result<Vec<Upload>> {
    let manifest: Vec<Value> = serde_json::from_slice(&read("manifest.json")?)?;
    let upload = |sample: &Value| -> Result<Upload> {
        let file = sample["file"].as_str().context("a sample without a file")?;
        Ok(Upload::new(file, read(&format!("files/{file}"))?, sample["metadata"].clone()))
    };
    manifest.iter().map(upload).collect()
}

/// Returns the lists `searches`, `questions` and `traps`.
pub fn questions() -> Result<Value> {
    Ok(serde_json::from_slice(&read("questions.json")?)?)
}

fn read(file: &str) -> Result<Vec<u8>> {
    let path = Path::new(FOLDER).join(file);
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}
