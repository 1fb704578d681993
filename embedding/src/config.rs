use std::num::NonZeroUsize;
use std::path::PathBuf;

/// The settings of the embedding model, to be flattened into the settings of a program.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Config {
    /// Folder of the embedding model: model.onnx (with model.onnx.data), tokenizer.json and model.json
    #[arg(long, env = "MODEL_DIR", value_name = "DIR")]
    pub model_dir: PathBuf,

    /// The ONNX Runtime library, 1.22 or newer: a path, or a file name that the system's loader searches for
    #[arg(long, env = "ORT_DYLIB_PATH", value_name = "FILE", default_value = "libonnxruntime.so")]
    pub ort_dylib_path: PathBuf,

    /// Number of embedding threads, each with its own session of the model [default: the cores this process may use]
    #[arg(long, env = "EMBED_THREADS", value_name = "N")]
    pub embed_threads: Option<NonZeroUsize>,

    /// Maximum number of waiting texts before the next call is refused as busy; queries and passages are counted
    /// separately
    #[arg(long, env = "EMBED_QUEUE", value_name = "N", default_value = "256")]
    pub embed_queue: NonZeroUsize,

    /// Whether passages that have time ([`crate::Embed::bulk_passages`]) get threads of their own, which work only while
    /// nothing else on the machine wants the processor. A program that embeds no such passages needs none.
    #[arg(skip)]
    pub in_background: bool,
}
