use std::io;
use std::path::PathBuf;

/// Why a text was not embedded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// EMBED_QUEUE texts or more are waiting: the caller should slow down and try again.
    #[error("the embedding model is busy: its queue is full")]
    Busy,
    #[error("the embedding model is shutting down")]
    Closed,
    /// This text failed, and a retry would fail, too.
    #[error("the embedding model failed: {0}")]
    Failed(String),
}

impl Error {
    /// Whether a retry of the same text can succeed, later or on another replica.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::Closed)
    }
}

/// Why a model could not be loaded. The messages say how to correct the problem.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(
        "the model folder {folder} has no {file}: point MODEL_DIR to a folder with model.onnx, tokenizer.json and model.json"
    )]
    Missing { folder: PathBuf, file: &'static str },

    #[error("{path} cannot be read ({source}): check that the file exists and that this user may read it")]
    Unreadable { path: PathBuf, source: io::Error },

    #[error(
        "{path} does not declare a model ({reason}): it is a JSON object with name, pooling (\"mean\" or \"cls\"), \
         normalize, query_prefix, passage_prefix, max_tokens and dimension"
    )]
    Declaration { path: PathBuf, reason: String },

    #[error(
        "{path} is not a usable tokenizer ({reason}): put the tokenizer.json that belongs to the model there"
    )]
    Tokenizer { path: PathBuf, reason: String },

    #[error(
        "the ONNX Runtime library {path} cannot be used ({reason}): set ORT_DYLIB_PATH to libonnxruntime.so, version 1.22 or newer"
    )]
    Runtime { path: PathBuf, reason: String },

    #[error("{path} is not a usable sentence-embedding graph ({reason}): export or fetch the model again")]
    Graph { path: PathBuf, reason: String },

    #[error(
        "{path} makes vectors of {actual} numbers but model.json declares {declared}: correct \"dimension\" or use the right files"
    )]
    Dimension { path: PathBuf, declared: usize, actual: usize },

    #[error("a thread for the embedding model could not be started: {0}")]
    Thread(#[from] io::Error),

    #[error("the metrics of the embedding model cannot be made")]
    Metrics(#[from] prometheus::Error),
}
