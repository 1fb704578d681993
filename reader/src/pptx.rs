//! PowerPoint presentations; each slide is a page.

mod slide;

use schemas::text::one_line;

use super::{
    BlockKind, Error, Extracted, Limits,
    blocks::Blocks,
    opc::Package,
    xml::{self, Xml},
};
use slide::{Place, Shape};

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part("ppt/presentation.xml")?;
    let slides = slides(&mut package, &main, limits)?;
    let mut metadata = package.properties()?;
    let mut blocks = Blocks::new(limits);
    let mut cells = 0;
    let mut is_titled = false;
    for (part, number) in slides.iter().zip(1..) {
        metadata.pages = number;
        let missing = || Error::Damaged(format!("slide {number} is missing from the presentation"));
        let text = package.part(part)?.ok_or_else(missing)?;
        let mut shapes = slide::read(&text, limits, &mut cells)?;
        let links = package.relationships(part)?;
        let mut linked = |kind: &str| -> Result<Vec<Shape>, Error> {
            let mut shapes = Vec::new();
            for link in links.iter().filter(|link| link.kind == kind) {
                let text = package.part(&link.target)?.unwrap_or_default();
                shapes.extend(slide::read(&text, limits, &mut cells)?);
            }
            Ok(shapes)
        };
        // The text of a diagram is in a separate part.
        shapes.extend(linked("diagramData")?);
        let notes = linked("notesSlide")?;
        let has_title = shapes.iter().any(|shape| shape.place == Place::Title);
        let has_text = shapes.iter().chain(&notes).any(|shape| shape.place != Place::Footer);
        if is_titled && !has_title && has_text {
            // Its text does not belong to the title of the slide before.
            blocks.push(BlockKind::Heading(1), &format!("Slide {number}"), Some(number))?;
        }
        is_titled |= has_title;
        write(&shapes, number, &mut blocks)?;
        for shape in notes.iter().filter(|shape| shape.place == Place::Body) {
            for (_, text) in &shape.contents {
                blocks.push(BlockKind::Paragraph, text, Some(number))?;
            }
        }
    }
    Ok(blocks.finish(metadata))
}

/// Returns the text of each shape of a part that is written like a slide: a diagram, or the drawing of a sheet.
pub fn texts(part: &str, limits: &Limits) -> Result<Vec<String>, Error> {
    let shapes = slide::read(part, limits, &mut 0)?;
    let text = |shape: Shape| shape.contents.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n");
    Ok(shapes.into_iter().map(text).collect())
}

/// Returns the parts of the slides, in the order in which they are shown.
fn slides(package: &mut Package<'_>, main: &str, limits: &Limits) -> Result<Vec<String>, Error> {
    let links = package.relationships(main)?;
    let text = package.part(main)?.unwrap_or_default();
    let mut slides = Vec::new();
    Xml::new(&text, limits).each(|element, _| {
        // The list of sections names slides again, by elements of the same name but without a relationship.
        if xml::name(element) == "sldId"
            && let Some(id) = xml::relationship(element)
        {
            let link = links.iter().find(|link| link.id == id);
            slides.push(link.map(|link| link.target.clone()).unwrap_or_default());
        }
        Error::if_over("slides", slides.len(), limits.pages as usize)
    })?;
    Ok(slides)
}

/// Writes the title first, wherever it is on the slide, and then the other shapes in the order of the file.
fn write(shapes: &[Shape], page: u32, blocks: &mut Blocks) -> Result<(), Error> {
    for title in shapes.iter().filter(|shape| shape.place == Place::Title) {
        let texts: Vec<&str> = title.contents.iter().map(|(_, text)| text.as_str()).collect();
        blocks.push(BlockKind::Heading(1), &one_line(&texts.join(" ")), Some(page))?;
    }
    for shape in shapes.iter().filter(|shape| !matches!(shape.place, Place::Title | Place::Footer)) {
        for (kind, text) in &shape.contents {
            let is_item = shape.place == Place::Body && *kind == BlockKind::Paragraph;
            blocks.push(if is_item { BlockKind::ListItem } else { *kind }, text, Some(page))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
