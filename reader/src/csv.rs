//! CSV in the dialects of English and Spanish programs: comma or semicolon, any encoding, decimal commas.

use csv::{ByteRecord, ReaderBuilder};
use schemas::text::one_line;

use super::{
    Error, Extracted, ExtractedMetadata, Limits,
    blocks::Blocks,
    encoding,
    sheet::{Row, Sheet},
};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const ROWS_TO_DECIDE: usize = 50;
/// Maximum number of lines of a cell. A cell with more lines comes from a quotation mark that is never closed.
const MOST_LINES_IN_A_CELL: usize = 500;

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    let text = encoding::decode(bytes);
    let (delimiter, body) = delimiter(&text);
    let blocks = match rows(body, delimiter, true, limits)? {
        Some(blocks) => blocks,
        None => rows(body, delimiter, false, limits)?.unwrap_or_else(|| Blocks::new(limits)),
    };
    Ok(blocks.finish(ExtractedMetadata::default()))
}

/// Returns None if the quotation marks in the file do not enclose cells.
fn rows(text: &str, delimiter: u8, quoting: bool, limits: &Limits) -> Result<Option<Blocks>, Error> {
    let mut out = Blocks::new(limits);
    let mut sheet = Sheet::new(None, &mut out, limits);
    let mut cells = 0;
    let mut reader = reader(text, delimiter, quoting);
    let mut record = ByteRecord::new();
    let mut line = reader.position().line();
    while reader.read_byte_record(&mut record).map_err(|error| Error::Damaged(format!("CSV: {error}")))? {
        let mut row = Row::default();
        let mut lines = 1;
        for (column, field) in record.iter().enumerate() {
            let breaks = field.iter().filter(|byte| **byte == b'\n').count();
            if quoting && breaks > MOST_LINES_IN_A_CELL {
                return Ok(None);
            }
            lines += breaks as u64;
            let cell = one_line(&String::from_utf8_lossy(field));
            if !cell.is_empty() {
                row.cells.push((column, cell));
            }
        }
        // Empty cells do not count: a spreadsheet may be formatted, and so written, far beyond its last text.
        cells += row.cells.len();
        Error::if_over("cells", cells, limits.cells)?;
        // The reader passes over empty lines.
        let next = reader.position().line();
        row.after_gap = next - line > lines;
        line = next;
        sheet.row(row)?;
    }
    sheet.finish(&[])?;
    Ok(Some(out))
}

/// Returns the delimiter and the text to read, without the line `sep=;` in which Excel declares the delimiter.
fn delimiter(text: &str) -> (u8, &str) {
    if let Some(rest) = text.strip_prefix("sep=")
        && let [delimiter, b'\r' | b'\n', ..] = rest.as_bytes()
        && DELIMITERS.contains(delimiter)
    {
        return (*delimiter, &rest[1..]);
    }
    // The right delimiter splits all rows into the same number of fields; a decimal comma does not.
    // This much of the text is enough to decide.
    let sample = &text[..text.floor_char_boundary(256 * 1024)];
    let best = DELIMITERS
        .into_iter()
        .map(|candidate| (score(sample, candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    (best.map_or(b',', |(_, delimiter)| delimiter), text)
}

fn score(sample: &str, delimiter: u8) -> f64 {
    let mut widths: Vec<usize> = Vec::new();
    let mut reader = reader(sample, delimiter, true);
    let mut record = ByteRecord::new();
    while widths.len() < ROWS_TO_DECIDE && reader.read_byte_record(&mut record).unwrap_or(false) {
        widths.push(record.len());
    }
    widths.sort_unstable();
    let Some(&usual) = widths.get(widths.len() / 2) else { return 0.0 };
    if usual < 2 {
        return 0.0;
    }
    let agreeing = widths.iter().filter(|width| **width == usual).count() as f64 / widths.len() as f64;
    agreeing * agreeing * (usual as f64).sqrt()
}

fn reader(text: &str, delimiter: u8, quoting: bool) -> csv::Reader<&[u8]> {
    ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .quoting(quoting)
        .from_reader(text.as_bytes())
}

#[cfg(test)]
mod tests;
