//! What mails of all formats have in common.

use chrono::{DateTime, FixedOffset};

use schemas::text::{clip, is_longer};

use super::{
    Attachment, BlockKind, Error, Extracted, ExtractedMetadata, Limits,
    blocks::{Blocks, one_line},
    format::Format,
    text,
};

/// Maximum number of characters of a header line; a longer list of recipients is of no use.
const LONGEST_LINE: usize = 2_000;
/// Maximum number of characters of the note that there are more attachments.
const ROOM_FOR_COUNT: usize = 40;
const LONGEST_FILENAME: usize = 200;
/// Maximum number of characters of a media type; no registered one is longer (RFC 6838).
const LONGEST_MEDIA_TYPE: usize = 255;

#[derive(Debug, Default)]
pub struct Mail {
    pub subject: String,
    pub from: String,
    pub to: String,
    pub cc: String,
    pub date: Option<DateTime<FixedOffset>>,
    /// The bodies in the order in which they are shown.
    pub bodies: Vec<Extracted>,
    /// Those without bytes are only named.
    pub attachments: Vec<Attachment>,
    /// The number of attachments over the limits.
    pub left_out: usize,
}

impl Mail {
    /// Adds an attachment, or only counts it if it is over the limits. Photos, films and recordings become no documents.
    pub fn attach(&mut self, filename: &str, media_type: &str, bytes: Vec<u8>, limits: &Limits) {
        if bytes.is_empty() {
            return;
        }
        let bytes = if is_media(filename, media_type, &bytes) { Vec::new() } else { bytes };
        let lengths = self.attachments.iter().map(|attachment| attachment.bytes.len());
        let total = lengths.sum::<usize>() + bytes.len();
        if self.attachments.len() >= limits.attachments || total as u64 > limits.attachment_bytes {
            self.left_out += 1;
            return;
        }
        let mut filename = safe(filename);
        if filename.is_empty() {
            let ending = Format::called(media_type).map(|format| format!(".{}", format.file_type()));
            filename = format!("attachment-{}{}", self.attachments.len() + 1, ending.unwrap_or_default());
        }
        let media_type = clip(media_type, LONGEST_MEDIA_TYPE).to_lowercase();
        self.attachments.push(Attachment { filename, media_type, bytes });
    }

    /// Returns the mail as a document: the header is the first block, the bodies follow.
    pub fn extract(self, limits: &Limits) -> Result<Extracted, Error> {
        let mut blocks = Blocks::new(limits);
        blocks.push(BlockKind::Paragraph, &self.header(), None)?;
        for block in self.bodies.iter().flat_map(|body| &body.blocks) {
            blocks.push(block.kind, &block.text, None)?;
        }
        let metadata = ExtractedMetadata {
            title: self.subject,
            author: self.from,
            date: self.date.map(|date| date.to_utc()),
            ..ExtractedMetadata::default()
        };
        // A heading in a mail without a subject must not become the title.
        Ok(Extracted { attachments: self.attachments, ..blocks.finish_without_title(metadata) })
    }

    fn header(&self) -> String {
        let date = self.date.map(|date| date.format("%Y-%m-%d %H:%M %:z").to_string()).unwrap_or_default();
        let names: Vec<&str> =
            self.attachments.iter().map(|attachment| attachment.filename.as_str()).collect();
        let mut attachments = clip(&names.join(", "), LONGEST_LINE - ROOM_FOR_COUNT).to_owned();
        if self.left_out > 0 {
            attachments.push_str(&format!(" … and {} more", self.left_out));
        }
        let lines = [
            ("From", &self.from),
            ("To", &self.to),
            ("Cc", &self.cc),
            ("Date", &date),
            ("Subject", &self.subject),
            ("Attachments", &attachments),
        ];
        let lines = lines.map(|(label, value)| (label, one_line(value)));
        let filled = lines.iter().filter(|(_, value)| !value.is_empty());
        filled.map(|(label, value)| format!("{label}: {}\n", clip(value, LONGEST_LINE))).collect()
    }
}

/// Whether an attachment is a document. Signatures, delivery reports and TNEF containers (winmail.dat) are not.
pub fn is_document(media_type: &str) -> bool {
    !matches!(
        media_type.to_lowercase().as_str(),
        "application/pgp-signature"
            | "application/pkcs7-signature"
            | "application/x-pkcs7-signature"
            | "application/ms-tnef"
            | "message/delivery-status"
            | "message/disposition-notification"
            | "text/rfc822-headers"
    )
}

/// Whether an attachment is a photo, a film or a recording, by its type or name and by its content: some programs call a PDF an
/// image.
fn is_media(filename: &str, media_type: &str, bytes: &[u8]) -> bool {
    let is_film = ["video/", "audio/"].iter().any(|kind| media_type.to_lowercase().starts_with(kind));
    (is_film || is_picture(media_type, filename)) && Format::detect(filename, media_type, bytes).is_err()
}

pub fn is_picture(media_type: &str, name: &str) -> bool {
    let name = name.to_lowercase();
    media_type.to_lowercase().starts_with("image/")
        || [".png", ".jpg", ".jpeg", ".gif", ".bmp", ".heic"].iter().any(|ending| name.ends_with(ending))
}

/// Returns `Name <address>`, or only one of them if the other is empty.
pub fn person(name: &str, address: &str) -> String {
    let (name, address) = (one_line(name), one_line(address));
    match (name.is_empty(), address.is_empty()) {
        (false, false) if name != address => format!("{name} <{address}>"),
        (true, _) => address,
        (false, _) => name,
    }
}

/// Returns the file name without folders and without invisible characters.
fn safe(filename: &str) -> String {
    let name = one_line(filename.rsplit(['/', '\\']).next().unwrap_or_default());
    let name = name.trim_matches(['.', ' ']);
    if !is_longer(name, LONGEST_FILENAME) {
        return name.to_owned();
    }
    // The extension shows the format, so it is kept when the name is shortened.
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| clip(ending, 10));
    format!("{}.{ending}", clip(name, LONGEST_FILENAME - 11))
}

/// Reads a body of plain text. Its lines lose the marks `>` of earlier mails, so that they are read like others.
pub fn read_plain(body: &str, limits: &Limits) -> Result<Extracted, Error> {
    let unquoted = |mut line: &str| {
        while let Some(rest) = line.strip_prefix('>') {
            line = rest.strip_prefix(' ').unwrap_or(rest);
        }
        format!("{line}\n")
    };
    let body: String = body.split(['\n', '\u{c}']).map(unquoted).collect();
    text::structure(&body, limits)
}

#[cfg(test)]
mod tests;
