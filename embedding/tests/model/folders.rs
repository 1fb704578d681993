//! Model folders of the tests' own.

use std::fs;
use std::path::{Path, PathBuf};

use embedding::Config;

use crate::{config, paths};

/// A folder of its own under cargo's temporary one, with the files of the default model.
pub fn copy_of_the_default(test: &str) -> PathBuf {
    let folder = empty(test);
    for file in ["model.onnx", "model.onnx.data", "tokenizer.json", "model.json"] {
        // Not a symbolic link: ONNX Runtime refuses weights that are outside of the graph's folder.
        fs::hard_link(paths().model.join(file), folder.join(file)).unwrap();
    }
    folder
}

/// A folder with one of the tiny graphs of `tests/fixtures`.
pub fn tiny(test: &str, graph: &str, declaration: &serde_json::Value) -> PathBuf {
    let folder = empty(test);
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::copy(fixtures.join(graph), folder.join("model.onnx")).unwrap();
    fs::copy(fixtures.join("tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    fs::write(folder.join("model.json"), declaration.to_string()).unwrap();
    folder
}

/// Puts another file in the place of one, which may share its content with the default model's.
pub fn replace(folder: &Path, file: &str, content: &str) {
    fs::remove_file(folder.join(file)).unwrap();
    fs::write(folder.join(file), content).unwrap();
}

pub fn config_of(folder: &Path) -> Config {
    Config { model_dir: folder.to_owned(), ..config() }
}

fn empty(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedding").join(test);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}
