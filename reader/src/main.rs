//! The program that reads one file: it limits itself, reads, says what is in it, and ends.
//!
//! Each format is one file with one function: bytes in, [`Extracted`] or [`Error`] out.

mod confine;
mod csv;
mod docx;
mod eml;
mod encoding;
mod format;
mod html;
mod json;
mod mail;
mod markdown;
mod msg;
#[cfg(test)]
mod mutations;
mod ole;
mod opc;
mod pdf;
mod pptx;
mod records;
mod sheet;
mod table;
mod title;
mod xls;
mod xlsx;
mod xml;
mod zip;

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read as _, Seek as _},
    process::ExitCode,
};

use reader::{
    Attachment, Block, BlockKind, Error, Extracted, ExtractedMetadata, Limits, Record, RecordError, blocks,
    text,
    wire::{self, PROTOCOL, Request},
};

use format::Format;

fn main() -> ExitCode {
    let output = BufWriter::new(io::stdout().lock());
    let written = match request().and_then(|request| Ok((input(&request)?, request))) {
        Err(error) => wire::write(output, &Err(error)),
        Ok((Input::Document(file), request)) => wire::write(output, &read(file, &request)),
        Ok((Input::Records(file), request)) => {
            wire::write_records(output, records::read(BufReader::new(file), &request.limits))
        }
    };
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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

enum Input {
    Document(File),
    Records(File),
}

/// Opens the file and sees what it is; from here on nothing that it makes us do goes beyond the limits.
fn input(request: &Request) -> Result<Input, Error> {
    confine::this_process(&request.limits)?;
    let mut file = File::open(&request.input).map_err(unreadable)?;
    let mut first = Vec::new();
    file.by_ref().take(64 * 1024).read_to_end(&mut first).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    if records::is_records(&first) {
        confine::for_import(&request.limits)?;
        return Ok(Input::Records(file));
    }
    Ok(Input::Document(file))
}

fn read(file: File, request: &Request) -> Result<Extracted, Error> {
    let limits = &request.limits;
    let bytes = bytes(file, limits)?;
    let format = Format::detect(&request.filename, &request.media_type, &bytes)?;
    let mut extracted = match format {
        Format::Pdf => pdf::read(&bytes, &request.pdfium, limits),
        Format::Docx => docx::read(&bytes, limits),
        Format::Pptx => pptx::read(&bytes, limits),
        Format::Xlsx => xlsx::read(&bytes, limits),
        Format::Xls => xls::read(&bytes, limits),
        Format::Csv => csv::read(&bytes, limits),
        Format::Text => text::structure(&encoding::decode(&bytes), limits),
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
fn bytes(file: File, limits: &Limits) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    file.take(limits.unpacked_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    Error::if_over("bytes", bytes.len() as u64, limits.unpacked_bytes)?;
    Ok(bytes)
}

fn unreadable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Error::OutOfMemory,
        _ => Error::Unavailable(format!("reading the input: {error}")),
    }
}
