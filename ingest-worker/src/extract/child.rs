//! What the child process does: limits itself, reads one document, says what is in it.

use std::{
    io::{self, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{
    Error, Extracted, Format, Limits, csv, docx, eml, html, json, markdown, msg, pdf, pptx, text, wire, xls,
    xlsx,
};

/// The command line of the child; [`super::run()`] writes it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file to read.
    #[arg(long)]
    pub input: PathBuf,
    /// The PDFium library.
    #[arg(long)]
    pub pdfium: PathBuf,
    /// The name the file came with.
    #[arg(long, default_value = "")]
    pub filename: String,
    /// The media type it came with.
    #[arg(long, default_value = "")]
    pub media_type: String,
    /// The limits, as JSON.
    #[arg(long)]
    pub limits: String,
}

pub fn main(args: &Args) -> ExitCode {
    let outcome = serde_json::from_str(&args.limits)
        .map_err(|error| Error::Unavailable(format!("--limits: {error}")))
        .and_then(|limits| {
            confine(&limits)?;
            read(args, &limits)
        });
    match wire::write(io::stdout().lock(), &outcome) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
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

fn read(args: &Args, limits: &Limits) -> Result<Extracted, Error> {
    let bytes = bytes(&args.input, limits)?;
    let format = Format::detect(&args.filename, &args.media_type, &bytes)?;
    let mut extracted = match format {
        Format::Pdf => pdf::read(&bytes, &args.pdfium, limits),
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
