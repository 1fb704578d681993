//! What people add to a sheet: comments on its cells, and text boxes. They are in parts of their own.

use std::collections::{HashMap, HashSet};

use schemas::text::one_line;

use crate::{
    Error, Limits,
    opc::Package,
    pptx,
    xml::{self, Xml, attribute},
};

/// Returns the part of each sheet, by the sheet's name.
pub fn parts(
    package: &mut Package<'_>,
    workbook: &str,
    limits: &Limits,
) -> Result<HashMap<String, String>, Error> {
    let links = package.relationships(workbook)?.into_iter();
    let targets: HashMap<String, String> = links.map(|link| (link.id, link.target)).collect();
    let text = package.part(workbook)?.unwrap_or_default();
    let mut parts = HashMap::new();
    Xml::new(&text, limits).each(|element, _| {
        if xml::name(element) == "sheet"
            && let Some(target) = xml::relationship(element).and_then(|id| targets.get(&id))
        {
            parts.insert(attribute(element, "name").unwrap_or_default(), target.clone());
        }
        Ok(())
    })?;
    Ok(parts)
}

/// Returns the comments of a sheet, each after the name of its cell, and the text boxes. `cells` counts the cells of the
/// workbook; a comment counts as one.
pub fn of_sheet(
    package: &mut Package<'_>,
    part: &str,
    cells: &mut usize,
    limits: &Limits,
) -> Result<Vec<String>, Error> {
    let links = package.relationships(part)?;
    let mut linked = |kind: &str| -> Result<String, Error> {
        let target = links.iter().find(|link| link.kind == kind).map(|link| link.target.as_str());
        Ok(target.map(|target| package.part(target)).transpose()?.flatten().unwrap_or_default())
    };
    let mut found = comments(&linked("threadedComment")?, cells, limits)?;
    let threads: HashSet<String> = found.iter().map(|(cell, _)| cell.clone()).collect();
    // Excel also writes a thread as one comment, in which it tells older programs that they cannot show threads.
    let single = comments(&linked("comments")?, cells, limits)?.into_iter();
    found.extend(single.filter(|(cell, _)| !threads.contains(cell)));
    let found = found.into_iter().map(|(cell, text)| format!("{cell}: {text}"));
    Ok(found.chain(pptx::texts(&linked("drawing")?, limits)?).collect())
}

/// Returns comments, each with the name of its cell.
fn comments(part: &str, cells: &mut usize, limits: &Limits) -> Result<Vec<(String, String)>, Error> {
    let mut cell = String::new();
    let mut comments = Vec::new();
    Xml::new(part, limits).each(|element, reader| {
        match xml::name(element) {
            "comment" | "threadedComment" => cell = attribute(element, "ref").unwrap_or_default(),
            "text" => {
                let text = one_line(&reader.text()?);
                if !text.is_empty() {
                    *cells += 1;
                    comments.push((std::mem::take(&mut cell), text));
                }
            }
            _ => {}
        }
        Error::if_over("cells", *cells, limits.cells)
    })?;
    Ok(comments)
}
