//! Workbooks of Excel 97 to 2003.
//!
//! calamine trusts the sizes in these files, so only the memory limit of this process bounds what it
//! allocates.

use std::io::Cursor;

use calamine::{Reader, Xls, XlsError};

use super::{
    Error, Extracted, ExtractedMetadata, Limits,
    blocks::Blocks,
    xlsx::{Notation, Rows, guarded, shown},
};

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    guarded(|| sheets(bytes, limits))
}

fn sheets(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let mut workbook: Xls<_> = Xls::new(Cursor::new(bytes)).map_err(refusal)?;
    let mut blocks = Blocks::new(limits);
    let mut count = 0;
    // calamine does not tell the formats of these files.
    let plain = Notation::default();
    for info in shown(workbook.sheets_metadata()) {
        let merged = workbook.merge_cells_by_sheet_name(&info.name).unwrap_or_default();
        let range = workbook.worksheet_range(&info.name).map_err(refusal)?;
        let (top, left) = range.start().unwrap_or_default();
        let mut rows = Rows::new(&info.name, &merged, &mut blocks, &mut count, limits);
        for (row, column, value) in range.used_cells() {
            rows.cell((top + row as u32, left + column as u32), value, &plain)?;
        }
        rows.finish(&[])?;
    }
    Ok(blocks.finish_without_title(ExtractedMetadata::default()))
}

fn refusal(error: XlsError) -> Error {
    match error {
        XlsError::Password => Error::PasswordProtected,
        error => Error::Damaged(format!("workbook: {error}")),
    }
}
