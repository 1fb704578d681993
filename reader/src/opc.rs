//! The package of Office documents (OPC): its parts, the relationships between them, and the document's properties.

use schemas::{metadata::parse_date, text::one_line};

use super::{
    Error, ExtractedMetadata, Limits, encoding, title,
    xml::{self, Xml},
    zip::Archive,
};

pub struct Package<'a> {
    pub archive: Archive<'a>,
    limits: &'a Limits,
}

pub struct Relationship {
    pub id: String,
    /// The last word of the relationship's type, such as `slide`.
    pub kind: String,
    /// The part to which the relationship points, as a path from the root of the package.
    pub target: String,
}

impl<'a> Package<'a> {
    pub fn open(bytes: &'a [u8], limits: &'a Limits) -> Result<Self, Error> {
        Ok(Self { archive: Archive::open(bytes, limits)?, limits })
    }

    /// Returns the name of the main part of the package; `usual` if no relationship names it.
    pub fn main_part(&mut self, usual: &str) -> Result<String, Error> {
        let named = self.relationships("")?.into_iter().find(|to| to.kind == "officeDocument");
        let name = named.map_or_else(|| usual.to_owned(), |relationship| relationship.target);
        if self.archive.contains(&name) {
            Ok(name)
        } else {
            Err(Error::Damaged(format!("the package has no {usual}")))
        }
    }

    /// Returns the text of a part; None if there is no such part.
    pub fn part(&mut self, name: &str) -> Result<Option<String>, Error> {
        Ok(self.archive.read(name)?.map(|bytes| encoding::decode(&bytes)))
    }

    /// Returns the relationships of a part to other parts of the package; the package itself has the name "".
    pub fn relationships(&mut self, part: &str) -> Result<Vec<Relationship>, Error> {
        let (folder, file) = part.rsplit_once('/').unwrap_or(("", part));
        let Some(text) = self.part(&format!("{folder}/_rels/{file}.rels"))? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        Xml::new(&text, self.limits).each(|element, _| {
            let value = |name| xml::attribute(element, name).unwrap_or_default();
            if xml::name(element) == "Relationship" && value("TargetMode") != "External" {
                found.push(Relationship {
                    id: value("Id"),
                    kind: value("Type").rsplit('/').next().unwrap_or_default().to_owned(),
                    target: resolve(folder, &value("Target")),
                });
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Returns title, author and date of the last change, if the package has them.
    pub fn properties(&mut self) -> Result<ExtractedMetadata, Error> {
        let mut metadata = ExtractedMetadata::default();
        let named = self.relationships("")?.into_iter().find(|to| to.kind == "core-properties");
        let name = named.map_or_else(|| "docProps/core.xml".to_owned(), |to| to.target);
        let Some(text) = self.part(&name)? else { return Ok(metadata) };
        let mut created = None;
        Xml::new(&text, self.limits).each(|element, reader| {
            match xml::name(element) {
                "title" => metadata.title = title::given(&reader.text()?),
                "creator" => metadata.author = one_line(&reader.text()?),
                "modified" => metadata.date = parse_date(&reader.text()?),
                "created" => created = parse_date(&reader.text()?),
                _ => {}
            }
            Ok(())
        })?;
        metadata.date = metadata.date.or(created);
        Ok(metadata)
    }
}

/// Resolves the target of a relationship: a path from the root if it begins with `/`, otherwise a path
/// relative to `folder`, the folder of the part that has the relationship.
fn resolve(folder: &str, target: &str) -> String {
    let folder = if target.starts_with('/') { "" } else { folder };
    let mut path = Vec::new();
    for step in folder.split('/').chain(target.split('/')) {
        match step {
            "" | "." => {}
            ".." => {
                path.pop();
            }
            name => path.push(name),
        }
    }
    path.join("/")
}

#[cfg(test)]
mod tests;
