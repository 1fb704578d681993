//! What every mail has, however it was stored.

use chrono::{DateTime, FixedOffset};

use super::{
    Attachment, BlockKind, Error, Extracted, ExtractedMetadata, Limits, blocks::Blocks, html,
    table::one_line, text,
};

/// A list of recipients that is longer tells nobody anything.
const LONGEST_LINE: usize = 2_000;
const LONGEST_FILENAME: usize = 200;

#[derive(Debug, Default)]
pub struct Mail {
    pub subject: String,
    pub from: String,
    pub to: String,
    pub cc: String,
    pub date: Option<DateTime<FixedOffset>>,
    /// In the order in which they are shown.
    pub bodies: Vec<Body>,
    pub attachments: Vec<Attachment>,
}

#[derive(Debug)]
pub enum Body {
    Text(String),
    Html(String),
}

impl Mail {
    /// The header as a first block, then the bodies.
    pub fn extract(self, limits: &Limits) -> Result<Extracted, Error> {
        let mut blocks = Blocks::new(limits);
        blocks.push(BlockKind::Paragraph, &self.header(), None)?;
        for body in &self.bodies {
            let read = match body {
                Body::Text(text) => text::structure(&unquoted(text), limits)?,
                Body::Html(html) => html::read_text(html, limits)?,
            };
            for block in read.blocks {
                blocks.push(block.kind, &block.text, None)?;
            }
        }
        let metadata = ExtractedMetadata {
            title: one_line(&self.subject),
            author: one_line(&self.from),
            date: self.date.map(|date| date.to_utc()),
            ..ExtractedMetadata::default()
        };
        let title = metadata.title.clone();
        let mut extracted = blocks.finish(metadata);
        // A heading in a mail without a subject is not its subject.
        extracted.metadata.title = title;
        extracted.attachments = self.attachments;
        Ok(extracted)
    }

    fn header(&self) -> String {
        let date = self.date.map(|date| date.format("%Y-%m-%d %H:%M %:z").to_string()).unwrap_or_default();
        let names: Vec<&str> =
            self.attachments.iter().map(|attachment| attachment.filename.as_str()).collect();
        let lines = [
            ("From", &self.from),
            ("To", &self.to),
            ("Cc", &self.cc),
            ("Date", &date),
            ("Subject", &self.subject),
            ("Attachments", &names.join(", ")),
        ];
        let filled = lines.into_iter().map(|(label, value)| (label, one_line(value)));
        filled
            .filter(|(_, value)| !value.is_empty())
            .map(|(label, value)| {
                format!("{label}: {}\n", value.chars().take(LONGEST_LINE).collect::<String>())
            })
            .collect()
    }
}

/// Gathers attachments within the limits.
pub struct Attachments<'l> {
    list: Vec<Attachment>,
    limits: &'l Limits,
    bytes: u64,
}

impl<'l> Attachments<'l> {
    pub fn new(limits: &'l Limits) -> Self {
        Self { list: Vec::new(), limits, bytes: 0 }
    }

    pub fn push(&mut self, filename: &str, media_type: &str, bytes: Vec<u8>) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        if self.list.len() >= self.limits.attachments {
            return Err(Error::TooLarge {
                what: "attachments".to_owned(),
                limit: self.limits.attachments as u64,
            });
        }
        self.bytes += bytes.len() as u64;
        if self.bytes > self.limits.attachment_bytes {
            return Err(Error::TooLarge {
                what: "bytes of attachments".to_owned(),
                limit: self.limits.attachment_bytes,
            });
        }
        let mut filename = safe(filename);
        if filename.is_empty() {
            filename = format!("attachment-{}{}", self.list.len() + 1, extension(media_type));
        }
        self.list.push(Attachment { filename, media_type: media_type.to_lowercase(), bytes });
        Ok(())
    }

    pub fn into_vec(self) -> Vec<Attachment> {
        self.list
    }
}

/// Signatures, delivery reports and Outlook's private wrapping are attached, but they are no documents.
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

/// `Name <address>`, or what there is of it.
pub fn person(name: &str, address: &str) -> String {
    let (name, address) = (one_line(name), one_line(address));
    match (name.is_empty(), address.is_empty()) {
        (false, false) if name != address => format!("{name} <{address}>"),
        (true, _) => address,
        (false, _) => name,
    }
}

/// A file's name alone: no folders, nothing that is not shown.
fn safe(filename: &str) -> String {
    let name = filename.rsplit(['/', '\\']).next().unwrap_or_default();
    let name: String = one_line(name).chars().filter(|c| !c.is_control()).collect();
    let name = name.trim_matches(['.', ' ']);
    if name.chars().count() <= LONGEST_FILENAME {
        return name.to_owned();
    }
    // The ending tells the format.
    let ending: String =
        name.rsplit_once('.').map(|(_, ending)| ending.chars().take(10).collect()).unwrap_or_default();
    let stem: String = name.chars().take(LONGEST_FILENAME - 11).collect();
    format!("{stem}.{ending}")
}

fn extension(media_type: &str) -> &'static str {
    match media_type.to_lowercase().as_str() {
        "text/plain" => ".txt",
        "text/html" => ".html",
        "text/csv" => ".csv",
        "application/pdf" => ".pdf",
        "message/rfc822" | "message/global" => ".eml",
        "application/vnd.ms-outlook" => ".msg",
        _ => "",
    }
}

/// Quoted history without its marks: it is read as what it was.
fn unquoted(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for line in text.split(['\n', '\u{c}']) {
        let mut line = line;
        while let Some(rest) = line.strip_prefix('>') {
            line = rest.strip_prefix(' ').unwrap_or(rest);
        }
        plain.push_str(line);
        plain.push('\n');
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_the_first_block() {
        let mail = Mail {
            subject: "Oferta\n de ascensores".to_owned(),
            from: person("Natalia Bravo", "n@x.example"),
            to: "y@x.example, ".repeat(10_000),
            date: DateTime::parse_from_rfc3339("2026-11-10T11:20:00-03:00").ok(),
            bodies: vec![Body::Text("Hola:\n\n> > Antes escribió\n> esto.\n".to_owned())],
            ..Mail::default()
        };
        let extracted = mail.extract(&Limits::default()).unwrap();
        let header = &extracted.blocks[0].text;
        assert!(header.starts_with("From: Natalia Bravo <n@x.example>\nTo: y@x.example, y@x"), "{header}");
        assert!(
            header.ends_with("\nDate: 2026-11-10 11:20 -03:00\nSubject: Oferta de ascensores"),
            "{header}"
        );
        assert!(header.len() < 3_000);
        let texts: Vec<&str> = extracted.blocks[1..].iter().map(|block| block.text.as_str()).collect();
        assert_eq!(texts.join("|"), "Hola:|Antes escribió esto.");
        assert_eq!(extracted.metadata.title, "Oferta de ascensores");
        assert_eq!(extracted.metadata.date.unwrap().to_rfc3339(), "2026-11-10T14:20:00+00:00");
    }

    #[test]
    fn attachments_are_bounded_and_named_safely() {
        let limits = Limits { attachments: 2, attachment_bytes: 10, ..Limits::default() };
        let mut attachments = Attachments::new(&limits);
        attachments.push("..\\..\\etc/pass\0wd\n.pdf", "application/pdf", vec![1; 5]).unwrap();
        assert!(matches!(attachments.push("b", "", vec![1; 6]), Err(Error::TooLarge { limit: 10, .. })));
        let mut attachments = Attachments::new(&limits);
        attachments.push("", "text/csv", vec![1]).unwrap();
        attachments.push("", "", Vec::new()).unwrap();
        attachments.push("c", "", vec![1]).unwrap();
        assert!(matches!(attachments.push("d", "", vec![1]), Err(Error::TooLarge { limit: 2, .. })));
        assert_eq!(attachments.into_vec()[0].filename, "attachment-1.csv");
        assert_eq!(safe("..\\..\\etc/pass\0wd .pdf"), "passwd .pdf");
        let long = safe(&format!("{}.docx", "ñ".repeat(500)));
        assert!(long.ends_with(".docx") && long.chars().count() <= LONGEST_FILENAME);
    }
}
