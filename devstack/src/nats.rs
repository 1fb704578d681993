//! NATS with JetStream, as durable as production: every acknowledged message is on the disk.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::launch::Launch;
use crate::server::{Server, ask};

/// More than any folder is deep; above the root is the root.
const UP: usize = 64;

/// A configuration as operators use it, and the variables that it reads.
#[derive(Debug, Clone)]
pub struct NatsConfiguration {
    pub file: PathBuf,
    pub environment: Vec<(String, String)>,
}

/// `folder` keeps the streams and the configuration: this one's own, after the lines of the one given.
pub(crate) fn server(
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
    // The last value of a name counts. What streams may grow to is reserved when they are made, and a tests' machine with
    // little disk left would refuse the last of them: no share of the disk bounds them here.
    std::fs::write(
        &configuration,
        format!(
            "{lines}listen: \"127.0.0.1:{port}\"\n\
             http: \"127.0.0.1:{monitor}\"\n\
             max_payload: 1048576\n\
             jetstream {{\n  store_dir: {store:?}\n  sync_interval: always\n  max_file_store: 1TB\n}}\n"
        ),
    )?;
    let mut launch = Launch::new(bin.join("nats-server")).arg("--config").arg(configuration).log(log);
    for (name, value) in given.into_iter().flat_map(|given| &given.environment) {
        launch = launch.env(name, value);
    }
    let answers = move || {
        let answer = ask(monitor, "GET /healthz HTTP/1.0\r\n\r\n")?;
        ensure!(answer.contains(r#""status":"ok""#), "/healthz says {answer:?}");
        Ok(())
    };
    Ok(Server::new("NATS", format!("nats://127.0.0.1:{port}"), launch, Box::new(answers)))
}

/// NATS takes the path of an `include` from the including file's folder, an absolute one too.
fn include(given: &NatsConfiguration) -> Result<String> {
    let file = given.file.canonicalize().with_context(|| format!("cannot read {}", given.file.display()))?;
    Ok(format!("include \"{}{}\"\n", "/..".repeat(UP), file.display()))
}
