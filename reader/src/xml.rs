//! XML, one node at a time: no recursion, no entities of their own, bounded depth.
//!
//! Elements are told apart by their local names alone: producers choose their own prefixes.

use std::borrow::Cow;

use quick_xml::{
    Reader,
    escape::{resolve_predefined_entity, unescape},
    events::{BytesEnd, BytesStart, Event},
    name::QName,
};

use super::{Error, Limits};

pub struct Xml<'a> {
    reader: Reader<&'a [u8]>,
    depth: usize,
    limit: usize,
    /// Of each open AlternateContent: whether one of its versions was read.
    alternatives: Vec<bool>,
}

pub enum Node<'a> {
    /// Every one is closed later, the empty ones too.
    Open(BytesStart<'a>),
    Close(BytesEnd<'a>),
    Text(Cow<'a, str>),
    End,
}

impl<'a> Xml<'a> {
    pub fn new(text: &'a str, limits: &Limits) -> Self {
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        Self { reader, depth: 0, limit: limits.depth, alternatives: Vec::new() }
    }

    pub fn next(&mut self) -> Result<Node<'a>, Error> {
        loop {
            match self.reader.read_event().map_err(damaged)? {
                Event::Start(element) => {
                    self.depth += 1;
                    Error::if_over("nesting", self.depth, self.limit)?;
                    match (name(&element), self.alternatives.last_mut()) {
                        ("AlternateContent", _) => self.alternatives.push(false),
                        // The same thing for newer and for older programs: one of them is enough.
                        ("Choice" | "Fallback", Some(true)) => {
                            self.skip()?;
                            continue;
                        }
                        ("Choice" | "Fallback", Some(read)) => *read = true,
                        _ => {}
                    }
                    return Ok(Node::Open(element));
                }
                Event::End(element) => {
                    self.depth = self.depth.saturating_sub(1);
                    if closed_name(&element) == "AlternateContent" {
                        self.alternatives.pop();
                    }
                    return Ok(Node::Close(element));
                }
                Event::Text(text) => return Ok(Node::Text(text.xml_content().map_err(damaged)?)),
                Event::CData(text) => return Ok(Node::Text(text.xml_content().map_err(damaged)?)),
                Event::GeneralRef(reference) => {
                    let name = reference.decode().map_err(damaged)?;
                    if let Some(entity) = resolve_predefined_entity(&name) {
                        return Ok(Node::Text(Cow::Borrowed(entity)));
                    }
                    if let Ok(Some(character)) = reference.resolve_char_ref() {
                        return Ok(Node::Text(Cow::Owned(character.to_string())));
                    }
                    // An entity of the file's own is left out: nothing we read needs one, and bombs are made of them.
                }
                Event::Eof if self.depth > 0 => {
                    return Err(Error::Damaged("an XML part ends too early".to_owned()));
                }
                Event::Eof => return Ok(Node::End),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    /// Passes over the element that was opened last, with everything in it.
    pub fn skip(&mut self) -> Result<(), Error> {
        self.each(|_, _| Ok(()))
    }

    /// The text in the element that was opened last.
    pub fn text(&mut self) -> Result<String, Error> {
        let outside = self.depth.saturating_sub(1);
        let mut all = String::new();
        while self.depth > outside {
            if let Node::Text(text) = self.next()? {
                all.push_str(&text);
            }
        }
        Ok(all)
    }

    /// Hands over every element inside the one that was opened last, or of the whole part when none is open.
    pub fn each(
        &mut self,
        mut take: impl FnMut(&BytesStart<'a>, &mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (outside, whole) = (self.depth.saturating_sub(1), self.depth == 0);
        while whole || self.depth > outside {
            match self.next()? {
                Node::Open(element) => take(&element, self)?,
                Node::End => break,
                Node::Close(_) | Node::Text(_) => {}
            }
        }
        Ok(())
    }
}

/// The name of an element without its prefix.
pub fn name<'e>(element: &'e BytesStart<'_>) -> &'e str {
    std::str::from_utf8(element.local_name().into_inner()).unwrap_or_default()
}

pub fn closed_name<'e>(element: &'e BytesEnd<'_>) -> &'e str {
    std::str::from_utf8(element.local_name().into_inner()).unwrap_or_default()
}

/// The value of an attribute, by its name without prefix.
pub fn attribute(element: &BytesStart<'_>, wanted: &str) -> Option<String> {
    find(element, |name| name.local_name().into_inner() == wanted.as_bytes())
}

/// The value of `val`, empty when there is none: Word keeps most things there.
pub fn value(element: &BytesStart<'_>) -> String {
    attribute(element, "val").unwrap_or_default()
}

/// The relationship that an element refers to: an `id` with a prefix, because one without is something else.
pub fn relationship(element: &BytesStart<'_>) -> Option<String> {
    find(element, |name| name.local_name().into_inner() == b"id" && name.prefix().is_some())
}

fn find(element: &BytesStart<'_>, wanted: impl Fn(QName<'_>) -> bool) -> Option<String> {
    let mut attributes = element.attributes();
    let attribute =
        attributes.with_checks(false).filter_map(Result::ok).find(|attribute| wanted(attribute.key))?;
    let raw = String::from_utf8_lossy(&attribute.value);
    Some(unescape(&raw).map_or_else(|_| raw.to_string(), Cow::into_owned))
}

/// A switch such as `<w:b/>`, `<w:b w:val="0"/>`.
pub fn is_on(element: &BytesStart<'_>) -> bool {
    !matches!(attribute(element, "val").as_deref(), Some("0" | "false" | "off" | "none"))
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::Damaged(format!("XML: {error}"))
}

#[cfg(test)]
mod tests;
