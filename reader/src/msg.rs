//! Mails as Outlook saves them (MS-OXMSG): a compound file whose streams are the properties of the mail.

mod lzfu;
mod properties;
mod rtf;

use chrono::DateTime;

use super::{
    Error, Extracted, Limits, eml, encoding, html,
    mail::{Mail, is_document, is_picture, person, read_plain},
    ole::Container,
};
use properties::{MESSAGE_HEADER, PART_HEADER, Properties, tag};

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let mut container = Container::open(bytes, limits)?;
    let message = Properties::read(&mut container, "/", MESSAGE_HEADER)?;
    let (to, cc) = recipients(&mut container, &message)?;
    let mut from = message.text(&mut container, tag::SENDER_SMTP)?;
    if from.is_empty() && message.text(&mut container, tag::SENDER_ADDRESS_TYPE)? == "SMTP" {
        from = message.text(&mut container, tag::SENDER_ADDRESS)?;
    }
    let name = message.first_text(&mut container, &[tag::SENDER_NAME, tag::REPRESENTED_NAME])?;
    let date = [tag::SENT, tag::DELIVERED, tag::CREATED].into_iter().find_map(|tag| message.moment(tag));
    let mut mail = Mail {
        subject: message.text(&mut container, tag::SUBJECT)?,
        from: person(&name, &from),
        to,
        cc,
        date: date.as_ref().map(DateTime::fixed_offset),
        bodies: vec![body(&mut container, &message, limits)?],
        ..Mail::default()
    };
    attach(&mut mail, &mut container, limits)?;
    mail.extract(limits)
}

fn body(container: &mut Container<'_>, message: &Properties, limits: &Limits) -> Result<Extracted, Error> {
    let text = message.text(container, tag::BODY)?;
    if !text.trim().is_empty() {
        return read_plain(&text, limits);
    }
    let page = match message.binary(container, tag::HTML)? {
        Some(bytes) => encoding::decode(&bytes),
        None => message.text(container, tag::HTML)?,
    };
    if !page.trim().is_empty() {
        return html::read_text(&page, limits);
    }
    match message.binary(container, tag::COMPRESSED_RTF)? {
        Some(bytes) => read_plain(&rtf::text(lzfu::unpack(&bytes)?, limits)?, limits),
        None => Ok(Extracted::default()),
    }
}

/// Returns the recipients in To and in Cc.
fn recipients(container: &mut Container<'_>, message: &Properties) -> Result<(String, String), Error> {
    const TO: u32 = 1;
    const CC: u32 = 2;
    let (mut to, mut cc) = (Vec::new(), Vec::new());
    for storage in numbered(container, "__recip_version1.0_") {
        let recipient = Properties::read(container, &storage, PART_HEADER)?;
        let address = recipient.first_text(container, &[tag::SMTP_ADDRESS, tag::ADDRESS])?;
        let name = recipient.text(container, tag::DISPLAY_NAME)?;
        // Addresses of Exchange are paths in a directory, so they are not shown.
        let person = person(&name, if address.starts_with('/') { "" } else { &address });
        match recipient.number(tag::RECIPIENT_KIND) {
            Some(TO) | None => to.push(person),
            Some(CC) => cc.push(person),
            // Blind-copy recipients are confidential.
            Some(_) => {}
        }
    }
    if to.is_empty() && cc.is_empty() {
        return Ok((message.text(container, tag::DISPLAY_TO)?, message.text(container, tag::DISPLAY_CC)?));
    }
    Ok((to.join(", "), cc.join(", ")))
}

fn attach(mail: &mut Mail, container: &mut Container<'_>, limits: &Limits) -> Result<(), Error> {
    const OUTLOOK: &str = "application/vnd.ms-outlook";
    for storage in numbered(container, "__attach_version1.0_") {
        let attachment = Properties::read(container, &storage, PART_HEADER)?;
        let name =
            attachment.first_text(container, &[tag::LONG_FILENAME, tag::FILENAME, tag::DISPLAY_NAME])?;
        let embedded = tag::stream(&storage, tag::ATTACHMENT, tag::OBJECT);
        let is_message = container.entries(&embedded).iter().any(|(_, is_storage)| !is_storage);
        if is_message {
            let name = if name.is_empty() { "mail".to_owned() } else { name.replace(['/', '\\'], "-") };
            let bytes = properties::extract_message(container, &embedded)?;
            mail.attach(&format!("{name}.msg"), OUTLOOK, bytes, limits);
        } else {
            let media_type = attachment.text(container, tag::MIME_TYPE)?;
            let is_picture = is_picture(&media_type, &name);
            let is_shown = !attachment.text(container, tag::CONTENT_ID)?.is_empty()
                || attachment.number(tag::HIDDEN).is_some_and(|hidden| hidden & 0xFF != 0);
            if (is_picture && is_shown) || !is_document(&media_type) {
                continue;
            }
            let Some(bytes) = attachment.binary(container, tag::ATTACHMENT)? else { continue };
            // A signed mail has its text and all its attachments in this one (MS-OXOSMIME).
            if media_type.eq_ignore_ascii_case("multipart/signed") {
                eml::add(mail, &bytes, limits)?;
            } else {
                mail.attach(&name, &media_type, bytes, limits);
            }
        }
    }
    Ok(())
}

/// Returns the storages of recipients or attachments, in order.
fn numbered(container: &Container<'_>, prefix: &str) -> Vec<String> {
    let is_one = |path: &str| path.trim_start_matches('/').starts_with(prefix);
    let found = container.entries("/").into_iter().filter(|(path, is_storage)| *is_storage && is_one(path));
    let mut storages: Vec<String> = found.map(|(path, _)| path).collect();
    storages.sort_unstable();
    storages
}

#[cfg(test)]
mod tests;
