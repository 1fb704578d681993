//! NATS with JetStream. As in production, a message is on disk before it is acknowledged.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::launch::Launch;
use crate::server::{Server, ask};

/// The number of `..` in an included path: more than any path has parent folders. The surplus ones do no
/// harm, because the parent of the root folder is the root folder.
const UP: usize = 64;

/// A configuration file as in production, and the environment variables that it reads.
#[derive(Debug, Clone)]
pub struct NatsConfiguration {
    pub file: PathBuf,
    pub environment: Vec<(String, String)>,
}

/// Starts the server. `folder` contains its streams and its configuration, which includes `given`.
pub(crate) fn start(
    bin: &Path,
    folder: &Path,
    log: &Path,
    (port, monitor): (u16, u16),
    given: Option<&NatsConfiguration>,
) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    let store = folder.join("jetstream");
    let configuration = folder.join("nats.conf");
    let lines = given.map_or_else(|| Ok(String::new()), include)?;
    // If a name occurs twice, the last value counts: the `jetstream` of the included file replaces this one. NATS reserves
    // the maximum size of each stream, so on a machine with little free disk it would refuse the last streams; therefore
    // max_file_store does not depend on the disk.
    std::fs::write(
        &configuration,
        format!(
            "jetstream {{ sync_interval: always, max_file_store: 1TB }}\n\
             {lines}listen: \"127.0.0.1:{port}\"\n\
             http: \"127.0.0.1:{monitor}\"\n\
             max_payload: 1048576\n\
             store_dir: {store:?}\n"
        ),
    )?;
    let environment = given.map(|given| given.environment.clone()).unwrap_or_default();
    let launch = Launch::new(bin.join("nats-server")).arg("--config").arg(configuration).envs(environment);
    let answers = move || {
        let answer = ask(monitor, "GET /healthz HTTP/1.0\r\n\r\n")?;
        ensure!(answer.contains(r#""status":"ok""#), "/healthz says {answer:?}");
        Ok(())
    };
    Server::start_new("NATS", format!("nats://127.0.0.1:{port}"), launch.log(log), answers)
}

/// NATS resolves the path of an `include` from the folder of the including file, even if the path is absolute.
fn include(given: &NatsConfiguration) -> Result<String> {
    let file = given.file.canonicalize().with_context(|| format!("cannot read {}", given.file.display()))?;
    Ok(format!("include \"{}{}\"\n", "/..".repeat(UP), file.display()))
}
