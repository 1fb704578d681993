//! Styles. The name of a heading style depends on the language of Word, its outline level does not.

use std::collections::HashMap;

use crate::{
    Error, Limits,
    xml::{self, Xml, attribute},
};

/// Maximum number of styles of which each is based on the next; a longer chain is a cycle.
const LONGEST_CHAIN: usize = 32;

#[derive(Debug, Default)]
pub struct Styles(HashMap<String, Style>);

#[derive(Debug, Default)]
struct Style {
    /// The name. The styles that come with Word have English names here, whatever the language of Word is.
    name: String,
    based_on: String,
    outline: Option<u8>,
    numbering: Option<String>,
    numbering_level: Option<usize>,
    has_first_row: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The level of the heading, from 1.
    Heading(u8),
    /// A line of a table of contents.
    Contents,
    Text,
}

impl Styles {
    pub fn read(part: &str, limits: &Limits) -> Result<Self, Error> {
        let mut styles = HashMap::new();
        Xml::new(part, limits).each(|element, reader| {
            if xml::name(element) == "style" {
                let id = attribute(element, "styleId").unwrap_or_default();
                styles.insert(id, Style::read(reader)?);
            }
            Ok(())
        })?;
        Ok(Self(styles))
    }

    pub fn role(&self, id: &str) -> Role {
        let Some(style) = self.0.get(id) else { return role_by_name(id) };
        match role_by_name(&style.name) {
            Role::Text => {}
            named => return named,
        }
        match self.chain(id).find_map(|style| style.outline) {
            Some(level @ 0..=8) => Role::Heading(level + 1),
            // Outline level 9 is body text, whatever the style is based on.
            Some(_) => Role::Text,
            None => {
                let mut roles = self.chain(id).map(|style| role_by_name(&style.name));
                roles.find(|role| *role != Role::Text).unwrap_or(Role::Text)
            }
        }
    }

    /// Returns the list of the paragraphs of a style, and their level in it.
    pub fn numbering(&self, id: &str) -> Option<(String, Option<usize>)> {
        let numbering = self.chain(id).find_map(|style| style.numbering.clone())?;
        Some((numbering, self.chain(id).find_map(|style| style.numbering_level)))
    }

    /// Whether a table style formats the first row differently.
    pub fn has_first_row(&self, id: &str) -> bool {
        self.chain(id).any(|style| style.has_first_row)
    }

    /// Returns a style and all styles that it is based on.
    fn chain<'s>(&'s self, id: &str) -> impl Iterator<Item = &'s Style> {
        std::iter::successors(self.0.get(id), |style| self.0.get(&style.based_on)).take(LONGEST_CHAIN)
    }
}

impl Style {
    fn read(reader: &mut Xml<'_>) -> Result<Self, Error> {
        let mut style = Self::default();
        reader.properties(&[], |name, element| match name {
            "name" => style.name = xml::value(element),
            "basedOn" => style.based_on = xml::value(element),
            "outlineLvl" => style.outline = xml::value(element).parse().ok(),
            "numId" => style.numbering = Some(xml::value(element)),
            "ilvl" => style.numbering_level = xml::value(element).parse().ok(),
            "tblStylePr" => style.has_first_row |= attribute(element, "type").as_deref() == Some("firstRow"),
            _ => {}
        })?;
        Ok(style)
    }
}

/// Finds the role by a style's name, such as `heading 2`, or by its id if the file has no such style: Word's
/// ids depend on its language, such as `Heading2` and `Ttulo2`.
fn role_by_name(name: &str) -> Role {
    let name = name.to_lowercase();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name[stem.len()..].parse::<u8>().ok();
    match (stem.trim_end(), number) {
        ("heading" | "título" | "titulo" | "ttulo", Some(level @ 1..=9)) => Role::Heading(level),
        ("title" | "título" | "titulo" | "ttulo" | "puesto", None) => Role::Heading(1),
        ("toc" | "tdc", Some(_)) | ("toc heading" | "table of figures", None) => Role::Contents,
        _ => Role::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_found_in_every_language() {
        let part = r#"<w:styles>
            <w:style w:styleId="Ttulo1"><w:name w:val="heading 1"/><w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style>
            <w:style w:styleId="Apartado"><w:name w:val="Apartado"/><w:basedOn w:val="Ttulo1"/><w:pPr><w:outlineLvl w:val="1"/></w:pPr></w:style>
            <w:style w:styleId="Propio"><w:name w:val="Propio"/><w:basedOn w:val="Apartado"/></w:style>
            <w:style w:styleId="Cuerpo"><w:name w:val="Cuerpo"/><w:basedOn w:val="Ttulo1"/><w:pPr><w:outlineLvl w:val="9"/></w:pPr></w:style>
            <w:style w:styleId="Puesto"><w:name w:val="Title"/></w:style>
            <w:style w:styleId="TDC1"><w:name w:val="toc 1"/></w:style>
            <w:style w:styleId="a"><w:name w:val="a"/><w:basedOn w:val="b"/></w:style>
            <w:style w:styleId="b"><w:name w:val="b"/><w:basedOn w:val="a"/></w:style>
            </w:styles>"#;
        let styles = Styles::read(part, &Limits::default()).unwrap();
        for (id, role) in [
            ("Ttulo1", Role::Heading(1)),
            ("Apartado", Role::Heading(2)),
            ("Propio", Role::Heading(2)),
            ("Cuerpo", Role::Text),
            ("Puesto", Role::Heading(1)),
            ("TDC1", Role::Contents),
            ("a", Role::Text),
            ("Normal", Role::Text),
            ("Heading3", Role::Heading(3)),
        ] {
            assert_eq!(styles.role(id), role, "{id}");
        }
    }
}
