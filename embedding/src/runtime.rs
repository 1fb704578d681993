use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use crate::LoadError;

/// ONNX Runtime allows one environment per process, so it is kept until the end, with the path of its library.
static ENVIRONMENT: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// Loads the library and creates the environment on the first call; later calls return the same environment.
pub(crate) fn environment(library: &Path) -> Result<Environment, LoadError> {
    let failed = |reason: String| LoadError::Runtime { path: library.to_owned(), reason };
    let path = locate(library).map_err(failed)?;
    let mut made = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    match &*made {
        Some((from, environment)) if *from == path => return Ok(environment.clone()),
        Some((from, _)) => return Err(failed(format!("this process has already loaded {}", from.display()))),
        None => {}
    }
    let builder = ort::init_from(&path).map_err(|error| failed(error.to_string()))?;
    let built = builder.with_name("acorag").with_telemetry(false).build();
    let environment = built.map_err(|error| failed(error.to_string()))?;
    environment.set_log_level(LogLevel::Warning);
    *made = Some((path, environment.clone()));
    Ok(environment)
}

/// Returns the absolute path of the library. A name without a folder is returned unchanged if no such file exists: the
/// system's loader searches for it.
fn locate(library: &Path) -> Result<PathBuf, String> {
    let is_name = library.parent().is_some_and(|parent| parent.as_os_str().is_empty());
    if is_name && !library.exists() {
        return Ok(library.to_owned());
    }
    if !library.is_file() {
        return Err("there is no such file".to_owned());
    }
    std::path::absolute(library).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_must_exist_and_a_name_is_left_to_the_loader() {
        assert_eq!(locate(Path::new("libonnxruntime.so")), Ok(PathBuf::from("libonnxruntime.so")));
        assert!(locate(Path::new("./libonnxruntime.so")).is_err());
        assert!(locate(Path::new("/")).is_err());
        assert!(locate(Path::new("src/runtime.rs")).unwrap().is_absolute());
    }
}
