//! Valkey as a cache: with limited memory, and without data on disk.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::launch::Launch;
use crate::server::{Server, ask};

pub(crate) fn start(bin: &Path, folder: &Path, log: &Path, port: u16) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    let launch = Launch::new(bin.join("valkey-server"))
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no"])
        .args(["--maxmemory", "256mb", "--maxmemory-policy", "volatile-ttl"])
        .arg("--dir")
        .arg(folder)
        .log(log);
    let answers = move || {
        let answer = ask(port, "PING\r\nQUIT\r\n")?;
        ensure!(answer.starts_with("+PONG\r\n"), "PING got {answer:?}");
        Ok(())
    };
    Server::start_new("Valkey", format!("redis://127.0.0.1:{port}"), launch, answers)
}
