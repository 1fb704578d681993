//! Mails as they travel (RFC 5322).

use chrono::{DateTime, FixedOffset};
use mail_parser::{
    Address, Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType,
    decoders::{base64::base64_decode, quoted_printable::quoted_printable_decode},
};

use super::{
    Error, Extracted, Limits, encoding,
    mail::{Attachments, Body, Mail, is_document, person},
};

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let not_a_mail = || Error::Damaged("this is not a mail".to_owned());
    let message = Parsed(MessageParser::default().parse(bytes).ok_or_else(not_a_mail)?);
    let message = &message.0;
    if message.from().is_none() && message.subject().is_none() && message.date().is_none() {
        return Err(not_a_mail());
    }
    let mail = Mail {
        subject: message.subject().unwrap_or_default().to_owned(),
        from: people(message.from().or_else(|| message.sender())),
        to: people(message.to()),
        cc: people(message.cc()),
        date: message.date().and_then(date),
        bodies: bodies(message, bytes),
        attachments: attachments(message, bytes, limits)?,
    };
    mail.extract(limits)
}

/// A mail within a mail within a mail: as many as there are bytes for. They are taken apart one by one, because
/// dropping them in one go needs a stack as deep as they nest.
struct Parsed<'x>(Message<'x>);

impl Drop for Parsed<'_> {
    fn drop(&mut self) {
        let mut waiting = vec![std::mem::take(&mut self.0)];
        while let Some(message) = waiting.pop() {
            waiting.extend(message.parts.into_iter().filter_map(|part| match part.body {
                PartType::Message(inner) => Some(inner),
                _ => None,
            }));
        }
    }
}

/// The plain bodies; the HTML ones where they say something and the plain ones do not.
fn bodies(message: &Message<'_>, raw: &[u8]) -> Vec<Body> {
    let bodies = |ids: &[u32]| -> Vec<Body> {
        let parts = ids.iter().filter_map(|id| message.parts.get(*id as usize));
        parts
            .filter_map(|part| match &part.body {
                PartType::Text(text) if !text.trim().is_empty() => {
                    Some(Body::Text(readable(text, part, raw)))
                }
                PartType::Html(html) if !html.trim().is_empty() => {
                    Some(Body::Html(readable(html, part, raw)))
                }
                _ => None,
            })
            .collect()
    };
    let plain = bodies(&message.text_body);
    if plain.is_empty() { bodies(&message.html_body) } else { plain }
}

/// A text whose encoding was not named, or wrongly, is decoded once more, from its bytes.
fn readable(text: &str, part: &MessagePart<'_>, raw: &[u8]) -> String {
    if text.contains('\u{FFFD}') { encoding::decode(&contents(part, raw)) } else { text.to_owned() }
}

fn attachments(message: &Message<'_>, raw: &[u8], limits: &Limits) -> Result<Vec<super::Attachment>, Error> {
    let mut attachments = Attachments::new(limits);
    for part in message.attachments.iter().filter_map(|id| message.parts.get(*id as usize)) {
        let media_type = media_type(part);
        let is_inline = part.content_id().is_some()
            || part.content_disposition().is_some_and(|disposition| disposition.is_inline());
        if !is_document(&media_type) || (is_inline && media_type.starts_with("image/")) {
            continue;
        }
        let name = match &part.body {
            // An alternative body or a bare footer that the mail shows in place of nothing is no document.
            PartType::Html(_) if part.attachment_name().is_none() => continue,
            PartType::Message(inner) if part.attachment_name().is_none() => {
                format!("{}.eml", inner.subject().unwrap_or("mail").replace(['/', '\\'], "-"))
            }
            _ => part.attachment_name().unwrap_or_default().to_owned(),
        };
        attachments.push(&name, &media_type, contents(part, raw))?;
    }
    Ok(attachments.into_vec())
}

/// The bytes as they were attached: the parser has already guessed at the encoding of texts.
fn contents(part: &MessagePart<'_>, raw: &[u8]) -> Vec<u8> {
    match &part.body {
        PartType::Text(_) | PartType::Html(_) => {
            let sent = raw.get(part.offset_body as usize..part.offset_end as usize).unwrap_or_default();
            let decoded = match part.encoding {
                Encoding::Base64 => base64_decode(sent),
                Encoding::QuotedPrintable => quoted_printable_decode(sent),
                Encoding::None => Some(sent.to_vec()),
            };
            decoded.unwrap_or_else(|| part.contents().to_vec())
        }
        // Unless it was encoded, a mail within the mail has no bytes of its own.
        PartType::Message(_) if part.encoding == Encoding::None => {
            raw.get(part.offset_body as usize..part.offset_end as usize).unwrap_or_default().to_vec()
        }
        _ => part.contents().to_vec(),
    }
}

fn media_type(part: &MessagePart<'_>) -> String {
    match part.content_type() {
        Some(kind) => format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")).to_lowercase(),
        None if matches!(part.body, PartType::Message(_)) => "message/rfc822".to_owned(),
        None => "text/plain".to_owned(),
    }
}

fn people(address: Option<&Address<'_>>) -> String {
    let people = address.into_iter().flat_map(Address::iter);
    let people: Vec<String> = people
        .map(|one| person(one.name().unwrap_or_default(), one.address().unwrap_or_default()))
        .filter(|person| !person.is_empty())
        .collect();
    people.join(", ")
}

/// As the sender's clock showed it.
fn date(date: &mail_parser::DateTime) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(&date.to_rfc3339()).ok()
}

#[cfg(test)]
mod tests;
