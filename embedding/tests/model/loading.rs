//! What a wrong folder or library says, and what other models may look like.

use std::fs;
use std::path::Path;

use embedding::{Config, Embed, LoadError, Model};
use serde_json::{Value, json};

use crate::folders::{config_of, copy_of_the_default, replace, tiny};
use crate::{config, passages, paths};

#[test]
fn a_missing_file_is_named() {
    for file in ["model.onnx", "tokenizer.json", "model.json"] {
        let folder = copy_of_the_default(&format!("missing-{file}"));
        fs::remove_file(folder.join(file)).unwrap();
        let error = failure(&config_of(&folder));
        assert!(matches!(&error, LoadError::Missing { file: missing, .. } if *missing == file), "{error}");
        says(&error, &[file, "MODEL_DIR", folder.to_str().unwrap()]);
    }
}

#[test]
fn a_malformed_declaration_is_an_error() {
    let folder = copy_of_the_default("malformed");
    replace(&folder, "model.json", r#"{"name":"x","pooling":"maximum"}"#);
    let error = failure(&config_of(&folder));
    assert!(matches!(error, LoadError::Declaration { .. }), "{error}");
    says(&error, &["model.json", "unknown variant `maximum`", "pooling"]);
}

#[test]
fn the_declared_dimension_is_checked_against_the_graph() {
    let folder = copy_of_the_default("dimension");
    redeclare(&folder, "dimension", json!(768));
    let error = failure(&config_of(&folder));
    assert!(matches!(error, LoadError::Dimension { declared: 768, actual: 384, .. }), "{error}");
    says(&error, &["model.onnx", "384", "768", "correct \"dimension\""]);
}

#[test]
fn more_tokens_than_the_graph_takes_are_found_at_the_start() {
    let folder = copy_of_the_default("too-long");
    redeclare(&folder, "max_tokens", json!(513));
    let error = failure(&config_of(&folder));
    assert!(matches!(error, LoadError::Graph { .. }), "{error}");
    says(&error, &["model.onnx", "513 tokens"]);
}

#[test]
fn a_prefix_that_leaves_no_room_is_an_error() {
    let folder = copy_of_the_default("no-room");
    redeclare(&folder, "query_prefix", json!("uno dos tres ".repeat(300)));
    says(&failure(&config_of(&folder)), &["leaves no room", "512 tokens"]);
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let folder = copy_of_the_default("garbage");
    replace(&folder, "tokenizer.json", "{}");
    let error = failure(&config_of(&folder));
    assert!(matches!(error, LoadError::Tokenizer { .. }), "{error}");
    says(&error, &["tokenizer.json"]);

    let folder = copy_of_the_default("garbage");
    replace(&folder, "model.onnx", "not a graph");
    let error = failure(&config_of(&folder));
    assert!(matches!(error, LoadError::Graph { .. }), "{error}");
    says(&error, &["model.onnx"]);
}

#[test]
fn weights_that_are_not_there_are_named() {
    let folder = copy_of_the_default("no-weights");
    fs::remove_file(folder.join("model.onnx.data")).unwrap();
    let error = failure(&config_of(&folder));
    assert!(matches!(error, LoadError::Graph { .. }), "{error}");
    says(&error, &["model.onnx.data"]);
}

#[test]
fn a_library_that_is_not_there_is_named() {
    let error = failure(&Config { ort_dylib_path: "/nowhere/libonnxruntime.so".into(), ..config() });
    assert!(matches!(error, LoadError::Runtime { .. }), "{error}");
    says(&error, &["/nowhere/libonnxruntime.so", "no such file", "ORT_DYLIB_PATH"]);
}

#[tokio::test]
async fn the_digest_tells_a_changed_folder() {
    let folder = copy_of_the_default("digest");
    let original = Model::load(&config_of(&folder)).await.unwrap().identity().clone();
    assert_eq!(original, crate::model().identity().clone());
    assert_eq!((original.dimension, original.digest.len()), (384, 64));
    redeclare(&folder, "query_prefix", json!("question: "));
    let changed = Model::load(&config_of(&folder)).await.unwrap().identity().clone();
    assert_eq!(changed.name, original.name);
    assert_ne!(changed.digest, original.digest);
}

#[tokio::test]
async fn tokens_are_pooled_as_declared_and_normalized_on_demand() {
    let folder = tiny("mean", "tokens.onnx", &declaration("mean", false));
    let model = Model::load(&config_of(&folder)).await.unwrap();
    // Token i is (i, 1): "dos" in front, then "seis" and "uno".
    assert_eq!(model.query("seis uno").await.unwrap(), [3.0, 1.0]);
    assert_eq!(passages(&model, vec!["seis uno".into()]).await.unwrap(), [[3.5, 1.0]]);

    let folder = tiny("cls", "tokens.onnx", &declaration("cls", true));
    let model = Model::load(&config_of(&folder)).await.unwrap();
    let first = passages(&model, vec!["tres uno".into()]).await.unwrap().remove(0);
    let length = 10_f32.sqrt();
    assert_eq!(first, [3.0 / length, 1.0 / length]);
}

#[tokio::test]
async fn a_graph_that_pools_by_itself_is_believed() {
    let folder = tiny("pooled", "pooled.onnx", &declaration("mean", false));
    let model = Model::load(&config_of(&folder)).await.unwrap();
    // The sum of the tokens (1+2+3, 3), plus a mask of three ones, types of three zeros and the positions 0, 1, 2.
    assert_eq!(passages(&model, vec!["uno dos tres".into()]).await.unwrap(), [[12.0, 9.0]]);
}

#[tokio::test]
async fn a_text_without_tokens_is_like_nothing() {
    let folder = tiny("nothing", "tokens.onnx", &declaration("mean", true));
    let model = Model::load(&config_of(&folder)).await.unwrap();
    assert_eq!(passages(&model, vec![" ".into()]).await.unwrap(), [[0.0, 0.0]]);
}

fn declaration(pooling: &str, normalize: bool) -> Value {
    json!({"name": "tiny", "pooling": pooling, "normalize": normalize, "query_prefix": "dos ", "passage_prefix": "",
           "max_tokens": 9, "dimension": 2})
}

fn redeclare(folder: &Path, field: &str, value: Value) {
    let json = fs::read_to_string(paths().model.join("model.json")).unwrap();
    let mut declaration: Value = serde_json::from_str(&json).unwrap();
    declaration[field] = value;
    replace(folder, "model.json", &declaration.to_string());
}

fn failure(config: &Config) -> LoadError {
    match Model::load_blocking(config) {
        Ok(_) => panic!("the model loaded"),
        Err(error) => error,
    }
}

fn says(error: &LoadError, parts: &[&str]) {
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}
