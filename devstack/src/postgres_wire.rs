//! As much of PostgreSQL's protocol as it takes to see that a server answers and to create a database. (psql would need
//! libraries that a fresh machine may not have.)

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Result, bail, ensure};

const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const PROTOCOL: u32 = 3 << 16;
const CLEARTEXT_PASSWORD: u32 = 3;
const LONGEST_MESSAGE: usize = 1 << 20;

/// What the server objects to.
#[derive(Debug, thiserror::Error)]
#[error("{message} ({code})")]
pub(crate) struct ServerError {
    /// The SQLSTATE.
    pub code: String,
    message: String,
}

pub(crate) struct Connection {
    stream: TcpStream,
}

impl Connection {
    pub fn open(port: u16, user: &str, password: &str, database: &str) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = TcpStream::connect_timeout(&address, CONNECT_WITHIN)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let mut connection = Self { stream };
        let parameters = format!("user\0{user}\0database\0{database}\0\0");
        connection.send(None, &[&PROTOCOL.to_be_bytes(), parameters.as_bytes()].concat())?;
        connection.until_ready(password)?;
        Ok(connection)
    }

    pub fn execute(&mut self, sql: &str) -> Result<()> {
        self.send(Some(b'Q'), format!("{sql}\0").as_bytes())?;
        self.until_ready("")
    }

    fn until_ready(&mut self, password: &str) -> Result<()> {
        let mut failure = None;
        loop {
            let (kind, body) = self.receive()?;
            match kind {
                b'R' => match number(&body)? {
                    0 => {}
                    CLEARTEXT_PASSWORD => self.send(Some(b'p'), format!("{password}\0").as_bytes())?,
                    other => bail!("the server wants authentication of kind {other}"),
                },
                b'E' => {
                    let error = server_error(&body);
                    // Nothing follows a fatal error, such as the one of a server that is still starting.
                    if field(&body, b'V') != Some("ERROR".to_owned()) {
                        return Err(error.into());
                    }
                    failure = Some(error);
                }
                b'Z' => return failure.map_or(Ok(()), |error| Err(error.into())),
                _ => {}
            }
        }
    }

    fn send(&mut self, kind: Option<u8>, body: &[u8]) -> Result<()> {
        let length = u32::try_from(body.len() + 4)?;
        let mut message = Vec::from_iter(kind);
        message.extend(length.to_be_bytes());
        message.extend(body);
        Ok(self.stream.write_all(&message)?)
    }

    fn receive(&mut self) -> Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let length = usize::try_from(number(&head[1..])?)?;
        ensure!((4..LONGEST_MESSAGE).contains(&length), "this is not a PostgreSQL server");
        let mut body = vec![0; length - 4];
        self.stream.read_exact(&mut body)?;
        Ok((head[0], body))
    }
}

fn number(bytes: &[u8]) -> Result<u32> {
    match bytes.first_chunk() {
        Some(bytes) => Ok(u32::from_be_bytes(*bytes)),
        None => bail!("a message of PostgreSQL is too short"),
    }
}

fn server_error(body: &[u8]) -> ServerError {
    ServerError {
        code: field(body, b'C').unwrap_or_default(),
        message: field(body, b'M').unwrap_or_default(),
    }
}

/// One field of an error: a letter, then text.
fn field(body: &[u8], letter: u8) -> Option<String> {
    let found = body.split(|&byte| byte == 0).find(|field| field.first() == Some(&letter))?;
    Some(String::from_utf8_lossy(&found[1..]).into_owned())
}
