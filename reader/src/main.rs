//! The program that reads one file: it limits itself, reads, says what is in it, and ends.
//!
//! Each format is one file with one function: bytes in, [`Extracted`] or [`Error`] out.

mod csv;
mod docx;
mod eml;
mod format;
#[cfg(test)]
mod hostile;
mod html;
mod json;
mod mail;
mod markdown;
mod msg;
mod ole;
mod opc;
mod pdf;
mod pptx;
mod sheet;
mod table;
mod xls;
mod xlsx;
mod xml;
mod zip;

use std::{
    io::{self, Read as _},
    path::Path,
    process::ExitCode,
};

use reader::{
    Attachment, Block, BlockKind, Error, Extracted, ExtractedMetadata, Limits, PROTOCOL, Request, blocks,
    encoding, records, text, wire,
};
use rustix::process::{Resource, Rlimit, setrlimit};

use format::Format;

fn main() -> ExitCode {
    let outcome = request().and_then(|request| {
        confine(&request.limits)?;
        read(&request)
    });
    match wire::write(io::stdout().lock(), &outcome) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// What this process is to do. A rollout may have replaced this program while a worker of the old release is running.
fn request() -> Result<Request, Error> {
    let request: Request = serde_json::from_reader(io::stdin().lock())
        .map_err(|error| Error::Unavailable(format!("the request: {error}")))?;
    if request.protocol != PROTOCOL {
        let asked = request.protocol;
        return Err(Error::Unavailable(format!("asked in protocol {asked}, the reader speaks {PROTOCOL}")));
    }
    Ok(request)
}

/// Before the first byte of the document is read: nothing it makes us do goes beyond this.
fn confine(limits: &Limits) -> Result<(), Error> {
    // Standard streams, the document, the library and what the loader needs to find it.
    const OPEN_FILES: u64 = 32;
    let same = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    // The soft limit ends us with a signal that tells the cause; the hard one is for a handler that would not end.
    let cpu = Rlimit { current: Some(limits.cpu_seconds), maximum: Some(limits.cpu_seconds + 2) };
    for (resource, limit) in [
        (Resource::Core, same(0)),
        (Resource::Fsize, same(0)),
        (Resource::Nofile, same(OPEN_FILES)),
        (Resource::Cpu, cpu),
        (Resource::As, same(limits.memory_bytes)),
    ] {
        setrlimit(resource, limit).map_err(|error| Error::Unavailable(format!("{resource:?}: {error}")))?;
    }
    Ok(())
}

fn read(request: &Request) -> Result<Extracted, Error> {
    let limits = &request.limits;
    let bytes = bytes(&request.input, limits)?;
    let format = Format::detect(&request.filename, &request.media_type, &bytes)?;
    let mut extracted = match format {
        Format::Pdf => pdf::read(&bytes, &request.pdfium, limits),
        Format::Docx => docx::read(&bytes, limits),
        Format::Pptx => pptx::read(&bytes, limits),
        Format::Xlsx => xlsx::read(&bytes, limits),
        Format::Xls => xls::read(&bytes, limits),
        Format::Csv => csv::read(&bytes, limits),
        Format::Text => text::read(&bytes, limits),
        Format::Markdown => markdown::read(&bytes, limits),
        Format::Html => html::read(&bytes, limits),
        Format::Eml => eml::read(&bytes, limits),
        Format::Msg => msg::read(&bytes, limits),
        Format::Json | Format::Ndjson => json::read(&bytes, limits),
    }?;
    let says_something = |text: &str| text.contains(char::is_alphanumeric);
    if !extracted.blocks.iter().any(|block| says_something(&block.text)) && extracted.attachments.is_empty() {
        return Err(Error::NoText);
    }
    extracted.metadata.file_type = format.file_type().to_owned();
    extracted.metadata.media_type = format.media_type().to_owned();
    Ok(extracted)
}

/// The whole file: every format but plain text must be seen from both ends.
fn bytes(path: &Path, limits: &Limits) -> Result<Vec<u8>, Error> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::OutOfMemory => Error::OutOfMemory,
        _ => Error::Unavailable(format!("reading the input: {error}")),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(limits.unpacked_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limits.unpacked_bytes {
        return Err(Error::TooLarge { what: "bytes".to_owned(), limit: limits.unpacked_bytes });
    }
    Ok(bytes)
}
