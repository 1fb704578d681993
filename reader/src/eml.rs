//! Mails in the format in which they are sent (RFC 5322).

use std::mem::ManuallyDrop;

use chrono::DateTime;
use mail_parser::{
    Address, Encoding, Message, MessageParser, MessagePart, MimeHeaders, PartType,
    decoders::{base64::base64_decode, quoted_printable::quoted_printable_decode},
};

use super::{
    Error, Extracted, Limits, encoding, html,
    mail::{Mail, is_document, person, read_plain},
};

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let not_a_mail = || Error::Damaged("this is not a mail".to_owned());
    let message = parse(bytes).ok_or_else(not_a_mail)?;
    if message.from().is_none() && message.subject().is_none() && message.date().is_none() {
        return Err(not_a_mail());
    }
    let mut mail = Mail {
        subject: message.subject().unwrap_or_default().to_owned(),
        from: people(message.from().or_else(|| message.sender())),
        to: people(message.to()),
        cc: people(message.cc()),
        // With the sender's time zone.
        date: message.date().and_then(|date| DateTime::parse_from_rfc3339(&date.to_rfc3339()).ok()),
        bodies: bodies(&message, bytes, limits)?,
        ..Mail::default()
    };
    attach(&mut mail, &message, bytes, limits);
    mail.extract(limits)
}

/// Adds the text, if there is none yet, and the attachments of a mail that has no header of its own because another file has it.
pub fn add(mail: &mut Mail, bytes: &[u8], limits: &Limits) -> Result<(), Error> {
    let Some(message) = parse(bytes) else { return Ok(()) };
    if mail.bodies.iter().all(|body| body.blocks.is_empty()) {
        mail.bodies = bodies(&message, bytes, limits)?;
    }
    attach(mail, &message, bytes, limits);
    Ok(())
}

/// Mails may be nested as deeply as the file has bytes, and dropping them would need a stack of the same depth. This process ends
/// after the file.
fn parse(bytes: &[u8]) -> Option<ManuallyDrop<Message<'_>>> {
    MessageParser::default().parse(bytes).map(ManuallyDrop::new)
}

/// Returns the plain-text bodies; the HTML bodies if the plain text is empty, or only a note beside the real text ("This
/// mail needs a program that shows HTML").
fn bodies(message: &Message<'_>, raw: &[u8], limits: &Limits) -> Result<Vec<Extracted>, Error> {
    /// In two versions of one text, neither is longer by this factor.
    const LONGER: u64 = 5;
    let read = |ids: &[u32]| -> Result<Vec<Extracted>, Error> {
        let (mut bodies, mut bytes) = (Vec::new(), 0);
        for part in ids.iter().filter_map(|id| message.parts.get(*id as usize)) {
            let body = match &part.body {
                PartType::Text(text) => read_plain(&readable(text, part, raw), limits)?,
                PartType::Html(text) => html::read_text(&readable(text, part, raw), limits)?,
                _ => continue,
            };
            // Each body is within the limit, but there may be very many, and all are kept.
            bytes += body.blocks.iter().map(|block| block.text.len()).sum::<usize>();
            Error::if_over("bytes of text", bytes, limits.text_bytes)?;
            bodies.push(body);
        }
        Ok(bodies)
    };
    let length = |bodies: &[Extracted]| bodies.iter().map(Extracted::text_length).sum::<u64>();
    let plain = read(&message.text_body)?;
    // A mail with a single version of its text names the same parts in both lists.
    if message.html_body == message.text_body {
        return Ok(plain);
    }
    match read(&message.html_body) {
        Ok(html) if length(&html) > length(&plain) * LONGER => Ok(html),
        Err(error) if length(&plain) == 0 => Err(error),
        _ => Ok(plain),
    }
}

/// If the declared encoding of a text is missing or wrong, its bytes are decoded again with a detected one.
fn readable(text: &str, part: &MessagePart<'_>, raw: &[u8]) -> String {
    if text.contains('\u{FFFD}') { encoding::decode(&contents(part, raw)) } else { text.to_owned() }
}

fn attach(mail: &mut Mail, message: &Message<'_>, raw: &[u8], limits: &Limits) {
    for part in message.attachments.iter().filter_map(|id| message.parts.get(*id as usize)) {
        let media_type = media_type(part);
        let is_inline = part.content_id().is_some()
            || part.content_disposition().is_some_and(|disposition| disposition.is_inline());
        if !is_document(&media_type) || (is_inline && media_type.starts_with("image/")) {
            continue;
        }
        let name = match &part.body {
            // An alternative HTML body or an unnamed footer is not an attached document.
            PartType::Html(_) if part.attachment_name().is_none() => continue,
            PartType::Message(inner) if part.attachment_name().is_none() => {
                format!("{}.eml", inner.subject().unwrap_or("mail").replace(['/', '\\'], "-"))
            }
            _ => part.attachment_name().unwrap_or_default().to_owned(),
        };
        mail.attach(&name, &media_type, contents(part, raw), limits);
    }
}

/// Returns the attached bytes unchanged; the parser has already decoded texts with an encoding that may be wrong.
fn contents(part: &MessagePart<'_>, raw: &[u8]) -> Vec<u8> {
    let sent = raw.get(part.offset_body as usize..part.offset_end as usize).unwrap_or_default();
    let decoded = match (&part.body, part.encoding) {
        (PartType::Text(_) | PartType::Html(_), Encoding::Base64) => base64_decode(sent),
        (PartType::Text(_) | PartType::Html(_), Encoding::QuotedPrintable) => quoted_printable_decode(sent),
        // For a mail inside the mail, the parser has separate bytes only if that mail was encoded. Otherwise
        // its bytes are a part of this mail's.
        (PartType::Text(_) | PartType::Html(_) | PartType::Message(_), Encoding::None) => Some(sent.to_vec()),
        _ => None,
    };
    decoded.unwrap_or_else(|| part.contents().to_vec())
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

#[cfg(test)]
mod tests;
