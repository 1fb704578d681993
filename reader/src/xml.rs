//! Reads XML one node at a time: without recursion or entities of the file, and with a limit on depth.
//!
//! Elements are recognized by their local names, because programs choose different prefixes.

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
    /// For each open AlternateContent: whether one of its versions has been read.
    alternatives: Vec<bool>,
}

pub enum Node<'a> {
    /// An element; each is followed by a `Close`, also if it is empty.
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
                        // `Choice` and `Fallback` have the same content, for newer and for older programs, so
                        // only one is read.
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
                    // Entities that the file declares are dropped: no content needs them, and attacks use them.
                }
                Event::Eof if self.depth > 0 => {
                    return Err(Error::Damaged("an XML part ends too early".to_owned()));
                }
                Event::Eof => return Ok(Node::End),
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    /// Skips the element that was opened last, with its content.
    pub fn skip(&mut self) -> Result<(), Error> {
        self.each(|_, _| Ok(()))
    }

    /// Returns the text of the element that was opened last.
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

    /// Calls `take` with every element inside the element that was opened last. If no element is open, calls
    /// it with every element of the part.
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

    /// As [`each`](Self::each), but skips the elements with these names, and passes the names of the others.
    pub fn properties(
        &mut self,
        skipped: &[&str],
        mut take: impl FnMut(&str, &BytesStart<'a>),
    ) -> Result<(), Error> {
        self.each(|element, reader| {
            if skipped.contains(&name(element)) {
                return reader.skip();
            }
            take(name(element), element);
            Ok(())
        })
    }
}

/// Returns the name of an element without its prefix.
pub fn name<'e>(element: &'e BytesStart<'_>) -> &'e str {
    std::str::from_utf8(element.local_name().into_inner()).unwrap_or_default()
}

pub fn closed_name<'e>(element: &'e BytesEnd<'_>) -> &'e str {
    std::str::from_utf8(element.local_name().into_inner()).unwrap_or_default()
}

/// Returns the value of an attribute by its name without prefix.
pub fn attribute(element: &BytesStart<'_>, wanted: &str) -> Option<String> {
    find(element, |name| name.local_name().into_inner() == wanted.as_bytes())
}

/// Returns the attribute `val`, in which Word stores most values; empty if it is missing.
pub fn value(element: &BytesStart<'_>) -> String {
    attribute(element, "val").unwrap_or_default()
}

/// Returns the id of the relationship that an element refers to: its attribute `id` with a prefix.
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

/// Whether a switch is on: `<w:b/>` is on, `<w:b w:val="0"/>` is off.
pub fn is_on(element: &BytesStart<'_>) -> bool {
    !matches!(attribute(element, "val").as_deref(), Some("0" | "false" | "off" | "none"))
}

fn damaged(error: impl std::fmt::Display) -> Error {
    Error::Damaged(format!("XML: {error}"))
}

#[cfg(test)]
mod tests;
