use std::fs::File;
use std::io;
use std::path::Path;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::LoadError;

pub(crate) const GRAPH: &str = "model.onnx";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
const DECLARATION: &str = "model.json";

/// File names that exporters use for the weights of a graph if they are not inside model.onnx.
const WEIGHTS: [&str; 2] = ["model.onnx.data", "model.onnx_data"];

/// Identifies the model that created a vector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The name in model.json.
    pub name: String,
    /// SHA-256 of the model's files, in hexadecimal. A change of any file makes another model, even of the same name.
    pub digest: String,
    /// The number of dimensions of a vector.
    pub dimension: usize,
}

/// The content of model.json. An unknown or missing field is an error, so that a misspelt `normalize` is noticed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Declaration {
    pub name: String,
    pub pooling: Pooling,
    pub normalize: bool,
    pub query_prefix: String,
    pub passage_prefix: String,
    pub max_tokens: usize,
    pub dimension: usize,
}

/// How the token vectors of a text are combined into one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Pooling {
    Mean,
    Cls,
}

/// A model folder whose files were read and hashed.
pub(crate) struct Folder {
    pub declaration: Declaration,
    pub identity: Identity,
    pub tokenizer_json: Vec<u8>,
}

impl Folder {
    pub fn read(folder: &Path) -> Result<Self, LoadError> {
        let (mut declaration_json, mut tokenizer_json) = (Vec::new(), Vec::new());
        read(folder, DECLARATION, &mut declaration_json)?;
        let declaration = declare(&declaration_json)
            .map_err(|reason| LoadError::Declaration { path: folder.join(DECLARATION), reason })?;
        read(folder, TOKENIZER, &mut tokenizer_json)?;
        let weights = WEIGHTS.into_iter().filter(|file| folder.join(file).exists());

        // A hash of the files' hashes: it also changes when bytes are moved from one file to the next.
        let mut all = Sha256::new();
        for file in [GRAPH, TOKENIZER, DECLARATION].into_iter().chain(weights) {
            let mut hash = Sha256::new();
            read(folder, file, &mut hash)?;
            all.update(hash.finalize());
        }
        let identity = Identity {
            name: declaration.name.clone(),
            digest: format!("{:x}", all.finalize()),
            dimension: declaration.dimension,
        };
        Ok(Self { declaration, identity, tokenizer_json })
    }
}

/// Streams a file, because a graph is too large to be loaded only for its hash.
fn read(folder: &Path, file: &'static str, to: &mut impl io::Write) -> Result<(), LoadError> {
    let read = File::open(folder.join(file)).and_then(|mut opened| io::copy(&mut opened, to));
    read.map(drop).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LoadError::Missing { folder: folder.to_owned(), file },
        _ => LoadError::Unreadable { path: folder.join(file), source: error },
    })
}

fn declare(json: &[u8]) -> Result<Declaration, String> {
    let declaration: Declaration = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let problem = match &declaration {
        d if d.name.trim().is_empty() => "the name is empty",
        d if d.dimension == 0 => "the dimension is 0",
        d if d.max_tokens < 8 => "max_tokens is below 8",
        _ => return Ok(declaration),
    };
    Err(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"name":"m","pooling":"cls","normalize":true,"query_prefix":"","passage_prefix":"",
                           "max_tokens":512,"dimension":384}"#;

    #[test]
    fn a_declaration_is_taken_as_it_stands() {
        let declaration = declare(GOOD.as_bytes()).unwrap();
        assert_eq!((declaration.pooling, declaration.dimension), (Pooling::Cls, 384));
    }

    #[test]
    fn a_wrong_declaration_says_what_is_wrong() {
        for (from, to, says) in [
            ("cls", "max", "unknown variant `max`"),
            ("normalize", "normalise", "unknown field `normalise`"),
            (r#""max_tokens":512,"#, "", "missing field `max_tokens`"),
            ("512", "7", "max_tokens is below 8"),
            ("384", "0", "the dimension is 0"),
            ("384", "-1", "invalid value"),
            (r#""m""#, r#"" ""#, "the name is empty"),
            ("}", "", "EOF"),
        ] {
            let error = declare(GOOD.replace(from, to).as_bytes()).unwrap_err();
            assert!(error.contains(says), "{from} → {to}: {error}");
        }
    }
}
