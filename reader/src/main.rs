//! The program that reads one file: it sets its limits, opens the needed files, locks itself, reads the file, writes
//! the content as its answer, and ends.
//!
//! Each format has one source file with one function: bytes in, [`Extracted`] or [`Error`] out.

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

use pdfium_render::prelude::Pdfium;
use reader::{
    Attachment, Block, BlockKind, Confinement, Error, Extracted, ExtractedMetadata, Limits, Record,
    RecordError, blocks, text,
    wire::{self, CHECK, PROTOCOL, Request},
};

use format::Format;

fn main() -> ExitCode {
    confine::apart_from_the_worker();
    let mut output = BufWriter::new(io::stdout().lock());
    let is_check = std::env::args_os().nth(1).is_some_and(|argument| argument == CHECK);
    let written = if is_check {
        serde_json::to_writer(&mut output, &confine::lock()).map_err(io::Error::from)
    } else {
        answer(&mut output).unwrap_or_else(|error| wire::write(&mut output, Err(error)))
    };
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads the request, opens the needed files, locks this process, determines whether the file is a bulk import, and
/// writes the content. An error is one of the reading; nothing has been written then.
fn answer(output: &mut impl io::Write) -> Result<io::Result<()>, Error> {
    let request: Request = serde_json::from_reader(io::stdin().lock())
        .map_err(|error| Error::Unavailable(format!("the request: {error}")))?;
    // An update may have replaced this program while a worker of the old release is running.
    if request.protocol != PROTOCOL {
        let asked = request.protocol;
        return Err(Error::Unavailable(format!("asked in protocol {asked}, the reader speaks {PROTOCOL}")));
    }
    let limits = &request.limits;
    confine::this_process(limits)?;
    let mut file = File::open(&request.input).map_err(unreadable)?;
    // The first record of an import is complete in these bytes, unless it is over the limit; in UTF-16, over half of it.
    let mut first = Vec::new();
    file.by_ref().take(limits.record_bytes as u64).read_to_end(&mut first).map_err(unreadable)?;
    file.rewind().map_err(unreadable)?;
    let pdfium = Format::is_pdf(&first).then(|| pdf::load(&request.pdfium)).transpose()?;
    confine::lock();
    let is_import = records::is_records(&first);
    drop(first);
    if is_import {
        confine::for_import(limits)?;
        return Ok(wire::write_records(output, records::read(BufReader::new(file), limits)));
    }
    let extracted = read(file, pdfium, &request)?;
    Ok(wire::write(output, Ok(extracted)))
}

fn read(file: File, pdfium: Option<Pdfium>, request: &Request) -> Result<Extracted, Error> {
    let limits = &request.limits;
    // The whole file, because all formats except plain text need access to its beginning and its end.
    let mut bytes = Vec::new();
    file.take(limits.unpacked_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    Error::if_over("bytes", bytes.len() as u64, limits.unpacked_bytes)?;
    let format = Format::detect(&request.filename, &request.media_type, &bytes)?;
    let mut extracted = match format {
        Format::Pdf => {
            let changed = || Error::Unavailable("the file changed while it was read".to_owned());
            pdf::read(&bytes, &pdfium.ok_or_else(changed)?, limits)
        }
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

fn unreadable(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::OutOfMemory => Error::OutOfMemory,
        _ => Error::Unavailable(format!("reading the input: {error}")),
    }
}
