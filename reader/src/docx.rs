//! Word documents.

mod margin;
mod numbering;
mod pages;
mod paragraph;
mod styles;
mod symbol;
mod table;
mod walk;

use super::{Error, Extracted, Limits, blocks::Blocks, opc::Package, pptx};
use numbering::Numbering;
use styles::Styles;
use walk::Notes;

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part("word/document.xml")?;
    let links = package.relationships(&main)?;
    let mut linked = |kind: &str| -> Result<String, Error> {
        let target = links.iter().find(|link| link.kind == kind).map(|link| link.target.as_str());
        Ok(target.map(|target| package.part(target)).transpose()?.flatten().unwrap_or_default())
    };

    let styles = Styles::read(&linked("styles")?, limits)?;
    let mut numbering = Numbering::read(&linked("numbering")?, limits)?;
    let mut notes = Notes::default();
    for kind in ["footnotes", "endnotes", "comments"] {
        // Numbered paragraphs of a note do not advance the numbers of the text.
        let mut numbering = numbering.clone();
        notes.extend(walk::read(&linked(kind)?, &styles, &mut numbering, &Notes::default(), limits)?.notes);
    }
    let mut margins = Vec::new();
    for link in links.iter().filter(|link| matches!(link.kind.as_str(), "header" | "footer")) {
        let part = package.part(&link.target)?.unwrap_or_default();
        margins.extend(walk::read(&part, &styles, &mut numbering.clone(), &notes, limits)?.blocks);
    }
    // The text of a diagram (SmartArt) is in a separate part, like a note. Headers have relationships of their own.
    for link in links.iter().filter(|link| link.kind == "diagramData") {
        let part = package.part(&link.target)?.unwrap_or_default();
        notes.insert(walk::diagram_key(&link.id), pptx::texts(&part, limits)?.join("\n"));
    }
    let text = package.part(&main)?.unwrap_or_default();
    let document = walk::read(&text, &styles, &mut numbering, &notes, limits)?;

    let mut metadata = package.properties()?;
    metadata.pages = document.pages.unwrap_or(0);
    let mut blocks = Blocks::new(limits);
    for (kind, text) in margin::texts(&margins) {
        blocks.push(kind, &text, document.pages.map(|_| 1))?;
    }
    for block in document.blocks {
        blocks.push(block.kind, &block.text, block.page.filter(|_| document.pages.is_some()))?;
    }
    Ok(blocks.finish(metadata))
}

#[cfg(test)]
mod tests;
