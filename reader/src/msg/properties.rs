//! Properties of a message, a recipient or an attachment.

use std::{
    collections::HashMap,
    io::{Cursor, Write},
};

use cfb::{CompoundFile, Version};
use chrono::{DateTime, Utc};
use encoding_rs::{Encoding, UTF_16LE};

use super::super::{Error, encoding, ole::Container};

/// Numbers of properties and of value types (MS-OXPROPS, MS-OXCDATA).
pub mod tag {
    pub const SUBJECT: u16 = 0x0037;
    pub const SENT: u16 = 0x0039;
    pub const REPRESENTED_NAME: u16 = 0x0042;
    pub const RECIPIENT_KIND: u16 = 0x0C15;
    pub const SENDER_NAME: u16 = 0x0C1A;
    pub const SENDER_ADDRESS_TYPE: u16 = 0x0C1E;
    pub const SENDER_ADDRESS: u16 = 0x0C1F;
    pub const DISPLAY_CC: u16 = 0x0E03;
    pub const DISPLAY_TO: u16 = 0x0E04;
    pub const DELIVERED: u16 = 0x0E06;
    pub const BODY: u16 = 0x1000;
    pub const COMPRESSED_RTF: u16 = 0x1009;
    pub const HTML: u16 = 0x1013;
    pub const DISPLAY_NAME: u16 = 0x3001;
    pub const ADDRESS: u16 = 0x3003;
    pub const CREATED: u16 = 0x3007;
    pub const ATTACHMENT: u16 = 0x3701;
    pub const FILENAME: u16 = 0x3704;
    pub const LONG_FILENAME: u16 = 0x3707;
    pub const MIME_TYPE: u16 = 0x370E;
    pub const CONTENT_ID: u16 = 0x3712;
    pub const SMTP_ADDRESS: u16 = 0x39FE;
    pub const CODEPAGE: u16 = 0x3FFD;
    pub const SENDER_SMTP: u16 = 0x5D01;
    pub const HIDDEN: u16 = 0x7FFE;

    pub const OBJECT: u16 = 0x000D;
    pub const OLD_TEXT: u16 = 0x001E;
    pub const TEXT: u16 = 0x001F;
    pub const BINARY: u16 = 0x0102;

    /// The path of the stream that holds a property of variable length.
    pub fn stream(storage: &str, property: u16, kind: u16) -> String {
        format!("{}/__substg1.0_{property:04X}{kind:04X}", storage.trim_end_matches('/'))
    }
}

/// The stream with the properties of fixed length.
const FIXED: &str = "__properties_version1.0";
/// The length of the header of that stream in a message.
pub const MESSAGE_HEADER: usize = 32;
/// The same in a recipient or an attachment.
pub const PART_HEADER: usize = 8;
/// The same in a message inside another.
const EMBEDDED_HEADER: usize = 24;

pub struct Properties {
    storage: String,
    /// The properties of fixed length.
    fixed: HashMap<u16, u64>,
    encoding: Option<&'static Encoding>,
}

impl Properties {
    pub fn read(container: &mut Container<'_>, storage: &str, header: usize) -> Result<Self, Error> {
        let path = format!("{}/{FIXED}", storage.trim_end_matches('/'));
        let bytes = container.stream(&path)?.unwrap_or_default();
        let mut fixed = HashMap::new();
        for entry in bytes.get(header..).unwrap_or_default().chunks_exact(16) {
            // An entry has a type, a number, flags and a value.
            let number = u16::from_le_bytes([entry[2], entry[3]]);
            let value = entry[8..].iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
            fixed.insert(number, value);
        }
        let encoding = fixed.get(&tag::CODEPAGE).and_then(|number| codepage::to_encoding(*number as u16));
        Ok(Self { storage: storage.to_owned(), fixed, encoding })
    }

    /// Returns a text property; empty if the property is missing.
    pub fn text(&self, container: &mut Container<'_>, property: u16) -> Result<String, Error> {
        let path = |kind| tag::stream(&self.storage, property, kind);
        let (bytes, encoding) = match container.stream(&path(tag::TEXT))? {
            Some(bytes) => (bytes, Some(UTF_16LE)),
            None => (container.stream(&path(tag::OLD_TEXT))?.unwrap_or_default(), self.encoding),
        };
        let text = match encoding {
            Some(encoding) => encoding.decode_without_bom_handling(&bytes).0.into_owned(),
            None => encoding::decode(&bytes),
        };
        Ok(text.trim_end_matches('\0').to_owned())
    }

    /// Returns the first of these text properties that is not empty.
    pub fn first_text(&self, container: &mut Container<'_>, properties: &[u16]) -> Result<String, Error> {
        for property in properties {
            let text = self.text(container, *property)?;
            if !text.trim().is_empty() {
                return Ok(text);
            }
        }
        Ok(String::new())
    }

    pub fn binary(&self, container: &mut Container<'_>, property: u16) -> Result<Option<Vec<u8>>, Error> {
        container.stream(&tag::stream(&self.storage, property, tag::BINARY))
    }

    pub fn number(&self, property: u16) -> Option<u32> {
        self.fixed.get(&property).map(|value| *value as u32)
    }

    /// Returns a date property. Windows counts units of 100 nanoseconds since 1601.
    pub fn moment(&self, property: u16) -> Option<DateTime<Utc>> {
        const UNIX_EPOCH: u64 = 116_444_736_000_000_000;
        let since = self.fixed.get(&property)?.checked_sub(UNIX_EPOCH)?;
        DateTime::from_timestamp(i64::try_from(since / 10_000_000).ok()?, 0)
    }
}

/// Returns a message that is embedded in the message, as the bytes of a separate .msg file.
pub fn extract_message(container: &mut Container<'_>, root: &str) -> Result<Vec<u8>, Error> {
    let damaged = |error: std::io::Error| Error::Damaged(format!("embedded message: {error}"));
    let file = Cursor::new(Vec::new());
    let mut copy = CompoundFile::create_with_version(Version::V3, file).map_err(damaged)?;
    let mut waiting = vec![root.to_owned()];
    while let Some(storage) = waiting.pop() {
        for (path, is_storage) in container.entries(&storage) {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            if is_storage {
                copy.create_storage(relative).map_err(damaged)?;
                waiting.push(path);
                continue;
            }
            let mut bytes = container.stream(&path)?.unwrap_or_default();
            if storage == root && path.ends_with(FIXED) && bytes.len() >= EMBEDDED_HEADER {
                // The header of a separate message has eight more bytes.
                bytes.splice(EMBEDDED_HEADER..EMBEDDED_HEADER, [0; MESSAGE_HEADER - EMBEDDED_HEADER]);
            }
            copy.create_stream(relative).and_then(|mut stream| stream.write_all(&bytes)).map_err(damaged)?;
        }
    }
    copy.flush().map_err(damaged)?;
    Ok(copy.into_inner().into_inner())
}
