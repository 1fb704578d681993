//! Valkey as a cache: bounded, nothing on the disk.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::launch::Launch;
use crate::server::Server;

const TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) fn server(bin: &Path, folder: &Path, log: &Path, port: u16) -> Result<Server> {
    std::fs::create_dir_all(folder)?;
    let launch = Launch::new(bin.join("valkey-server"))
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no"])
        .args(["--maxmemory", "256mb", "--maxmemory-policy", "volatile-ttl"])
        .arg("--dir")
        .arg(folder)
        .log(log);
    let answers = move || ping(port);
    Ok(Server::new("Valkey", format!("redis://127.0.0.1:{port}"), launch, Box::new(answers)))
}

fn ping(port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut connection = TcpStream::connect_timeout(&address, TIMEOUT)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.write_all(b"PING\r\n")?;
    let mut answer = [0; 7];
    connection.read_exact(&mut answer)?;
    ensure!(&answer == b"+PONG\r\n", "PING got {:?}", String::from_utf8_lossy(&answer));
    Ok(())
}
