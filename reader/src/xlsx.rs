//! Workbooks of Excel since 2007.

mod notation;
mod notes;
mod rows;
mod value;

use std::{
    collections::HashMap,
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use calamine::{Data, Reader, Sheet as SheetInfo, SheetType, SheetVisible, Xlsx, XlsxError};

use super::{Error, Extracted, ExtractedMetadata, Limits, blocks::Blocks, opc::Package};
pub use notation::Notation;
pub use rows::Rows;

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let mut package = Package::open(bytes, limits)?;
    let main = package.main_part("xl/workbook.xml")?;
    // calamine unpacks without limits, so everything that it may read is first unpacked and counted here.
    package.archive.check(|name| name.ends_with(".xml") || name.ends_with(".rels"))?;
    let metadata = package.properties()?;
    let parts = notes::parts(&mut package, &main, limits)?;
    guarded(|| sheets(bytes, metadata, &mut package, &parts, limits))
}

/// Turns a panic into an error: calamine uses indices from the file without checking them, and may panic.
pub fn guarded(read: impl FnOnce() -> Result<Extracted, Error>) -> Result<Extracted, Error> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(Error::Damaged("the workbook contradicts itself".to_owned())))
}

/// Reads the sheets that are shown; `parts` are the parts of all sheets, by name.
fn sheets(
    bytes: &[u8],
    metadata: ExtractedMetadata,
    package: &mut Package<'_>,
    parts: &HashMap<String, String>,
    limits: &Limits,
) -> Result<Extracted, Error> {
    let mut workbook: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(refusal)?;
    let mut blocks = Blocks::new(limits);
    let mut count = 0;
    let plain = Notation::default();
    for info in shown(workbook.sheets_metadata()) {
        let merged = workbook.merge_cells_by_sheet_name(&info.name).unwrap_or_default();
        let notes = match parts.get(&info.name) {
            Some(part) => notes::of_sheet(package, part, &mut count, limits)?,
            None => Vec::new(),
        };
        let mut rows = Rows::new(&info.name, &merged, &mut blocks, &mut count, limits);
        let mut reader = match workbook.worksheet_cells_reader(&info.name) {
            Ok(reader) => reader,
            Err(XlsxError::NotAWorksheet(_)) => continue,
            Err(error) => return Err(refusal(error)),
        };
        let formats = reader.styles().iter().map(|style| style.number_format.as_ref());
        let notations: Vec<Notation> = formats
            .map(|format| format.map(|format| Notation::read(&format.format_code)).unwrap_or_default())
            .collect();
        while let Some((cell, style)) = reader.next_cell_with_style_id().map_err(refusal)? {
            let value = Data::from(cell.get_value().clone());
            rows.cell(cell.get_position(), &value, notations.get(style).unwrap_or(&plain))?;
        }
        rows.finish(&notes)?;
    }
    // The name of a sheet, such as `Sheet1`, is not a title of the workbook.
    Ok(blocks.finish_without_title(metadata))
}

pub fn shown(sheets: &[SheetInfo]) -> Vec<SheetInfo> {
    let is_shown =
        |sheet: &&SheetInfo| sheet.visible == SheetVisible::Visible && sheet.typ == SheetType::WorkSheet;
    sheets.iter().filter(is_shown).cloned().collect()
}

fn refusal(error: XlsxError) -> Error {
    match error {
        XlsxError::Password => Error::PasswordProtected,
        error => Error::Damaged(format!("workbook: {error}")),
    }
}

#[cfg(test)]
mod tests;
