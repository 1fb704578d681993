//! Workbooks of Excel 97 to 2003.
//!
//! calamine trusts these files: it reserves the cells that they announce and lays sheets out
//! as full rectangles. So the workbook's stream is taken out by a reader that does not, measured, and handed over in a
//! container of our own making.

use std::io::{Cursor, Write};

use calamine::{Data, Reader, Xls, XlsError};
use cfb::{CompoundFile, Version};

use super::{
    Error, Extracted, ExtractedMetadata, Limits,
    blocks::Blocks,
    ole::{self, Container},
    xlsx::{Rows, finish, guarded, shown},
};

/// Types of records, as the format numbers them.
mod record {
    pub const FORMULA: u16 = 0x0006;
    pub const END: u16 = 0x000A;
    pub const FILE_PASS: u16 = 0x002F;
    pub const SHEET: u16 = 0x0085;
    pub const NUMBERS: u16 = 0x00BD;
    pub const SHARED_LABEL: u16 = 0x00FD;
    pub const DIMENSIONS: u16 = 0x0200;
    pub const NUMBER: u16 = 0x0203;
    pub const LABEL: u16 = 0x0204;
    pub const BOOLEAN: u16 = 0x0205;
    pub const SHORT_NUMBER: u16 = 0x027E;
    /// One that nobody reads.
    pub const IGNORED: u16 = 0x0FFF;
}

/// Empty cells between filled ones cost memory, too.
const RECTANGLE_PER_CELL: u64 = 4;

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    match ole::kind(bytes) {
        Some(ole::Kind::OldWorkbook) => guarded(|| sheets(bytes, limits)),
        Some(ole::Kind::EncryptedOffice) => Err(Error::PasswordProtected),
        _ => Err(Error::Damaged("this is not a workbook".to_owned())),
    }
}

fn sheets(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let mut container = Container::open(bytes, limits)?;
    let (name, mut stream) = match container.stream("/Workbook")? {
        Some(stream) => ("/Workbook", stream),
        None => ("/Book", container.stream("/Book")?.unwrap_or_default()),
    };
    measure(&mut stream, limits)?;
    let mut workbook: Xls<_> = Xls::new(Cursor::new(repack(name, &stream)?)).map_err(refusal)?;
    let mut blocks = Blocks::new(limits);
    let mut count = 0;
    for info in shown(workbook.sheets_metadata()) {
        let merged = workbook.merge_cells_by_sheet_name(&info.name).unwrap_or_default();
        let range = workbook.worksheet_range(&info.name).map_err(refusal)?;
        let (top, left) = range.start().unwrap_or_default();
        let mut rows = Rows::new(&info.name, &merged, &mut blocks, &mut count, limits);
        for (row, column, value) in range.used_cells() {
            let position = (top + row as u32, left + column as u32);
            if !matches!(value, Data::Empty) {
                rows.cell(position, value)?;
            }
        }
        rows.finish()?;
    }
    Ok(finish(blocks, ExtractedMetadata::default()))
}

/// Refuses sheets whose cells are too far apart, and silences announcements of sizes.
fn measure(stream: &mut [u8], limits: &Limits) -> Result<(), Error> {
    let mut sheets = Vec::new();
    let mut at = 0;
    while let Some((kind, data)) = record_at(stream, at) {
        match kind {
            record::FILE_PASS => return Err(Error::PasswordProtected),
            record::SHEET if sheets.len() < limits.entries => {
                if let Some(position) = u32_at(&stream[data.clone()], 0) {
                    sheets.push(position as usize);
                }
            }
            record::SHEET => {
                return Err(Error::TooLarge { what: "sheets".to_owned(), limit: limits.entries as u64 });
            }
            record::DIMENSIONS => stream[at..at + 2].copy_from_slice(&record::IGNORED.to_le_bytes()),
            _ => {}
        }
        at = data.end;
    }
    let mut area = 0u64;
    for position in sheets {
        area = area.saturating_add(rectangle(stream, position)?);
        if area > limits.cells as u64 * RECTANGLE_PER_CELL {
            return Err(Error::TooLarge { what: "cells".to_owned(), limit: limits.cells as u64 });
        }
    }
    Ok(())
}

/// Cells of the rectangle around all cells of the sheet that begins here.
fn rectangle(stream: &[u8], mut at: usize) -> Result<u64, Error> {
    let (mut rows, mut columns) = ((u64::MAX, 0), (u64::MAX, 0));
    while let Some((kind, data)) = record_at(stream, at) {
        at = data.end;
        let data = &stream[data];
        let last_column = match kind {
            record::END => break,
            // All of them were silenced, so what looks like one is the middle of something else.
            record::DIMENSIONS => {
                return Err(Error::Damaged("a sheet of the workbook begins within a record".to_owned()));
            }
            record::FORMULA
            | record::SHARED_LABEL
            | record::NUMBER
            | record::LABEL
            | record::BOOLEAN
            | record::SHORT_NUMBER => u16_at(data, 2),
            record::NUMBERS => u16_at(data, data.len().saturating_sub(2)),
            _ => continue,
        };
        if let (Some(row), Some(column), Some(last)) = (u16_at(data, 0), u16_at(data, 2), last_column) {
            rows = (rows.0.min(row.into()), rows.1.max(row.into()));
            columns = (columns.0.min(column.into()), columns.1.max(last.into()));
        }
    }
    let side = |(first, last): (u64, u64)| last.checked_sub(first).map_or(0, |length| length + 1);
    Ok(side(rows) * side(columns))
}

/// The type of the record that begins here, and where its data is.
fn record_at(stream: &[u8], at: usize) -> Option<(u16, std::ops::Range<usize>)> {
    let header = stream.get(at..at.checked_add(4)?)?;
    let start = at + 4;
    let end = start + usize::from(u16_at(header, 2)?);
    (end <= stream.len()).then(|| (u16::from_le_bytes([header[0], header[1]]), start..end))
}

fn u16_at(data: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(data.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(data.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A container with this stream and nothing else.
fn repack(name: &str, stream: &[u8]) -> Result<Vec<u8>, Error> {
    let write = || -> std::io::Result<Vec<u8>> {
        let mut container = CompoundFile::create_with_version(Version::V3, Cursor::new(Vec::new()))?;
        container.create_stream(name)?.write_all(stream)?;
        container.flush()?;
        Ok(container.into_inner().into_inner())
    };
    write().map_err(|error| Error::Damaged(format!("workbook: {error}")))
}

fn refusal(error: XlsError) -> Error {
    match error {
        XlsError::Password => Error::PasswordProtected,
        error => Error::Damaged(format!("workbook: {error}")),
    }
}

#[cfg(test)]
mod tests;
