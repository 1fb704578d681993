//! CSV as programs of both worlds write it: commas or semicolons, any encoding, decimal commas.

use csv::{ByteRecord, ReaderBuilder};

use super::{
    Error, Extracted, ExtractedMetadata, Limits,
    blocks::Blocks,
    encoding,
    sheet::{Row, Sheet},
    table::one_line,
};

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
const ROWS_TO_DECIDE: usize = 50;
/// A cell with more lines than this is not a cell but a quotation mark that nobody closed.
const MOST_LINES_IN_A_CELL: usize = 500;

pub fn read(bytes: &[u8], limits: &Limits) -> Result<Extracted, Error> {
    if !encoding::is_text(bytes) {
        return Err(Error::Damaged("this is not text".to_owned()));
    }
    let text = encoding::decode(bytes);
    let (delimiter, body) = delimiter(&text);
    let blocks = match rows(body, delimiter, true, limits)? {
        Some(blocks) => blocks,
        None => rows(body, delimiter, false, limits)?.unwrap_or_else(|| Blocks::new(limits)),
    };
    Ok(blocks.finish(ExtractedMetadata::default()))
}

/// None when quotation marks turn out not to quote.
fn rows(text: &str, delimiter: u8, quoting: bool, limits: &Limits) -> Result<Option<Blocks>, Error> {
    let mut out = Blocks::new(limits);
    let mut sheet = Sheet::new(None, &mut out, limits);
    let mut cells = 0;
    let mut reader = reader(text, delimiter, quoting);
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record).map_err(|error| Error::Damaged(format!("CSV: {error}")))? {
        if record.len() > limits.columns {
            return Err(Error::TooLarge { what: "columns".to_owned(), limit: limits.columns as u64 });
        }
        cells += record.len();
        if cells > limits.cells {
            return Err(Error::TooLarge { what: "cells".to_owned(), limit: limits.cells as u64 });
        }
        let mut row = Row::default();
        for (column, field) in record.iter().enumerate() {
            if quoting && field.iter().filter(|byte| **byte == b'\n').count() > MOST_LINES_IN_A_CELL {
                return Ok(None);
            }
            let cell = one_line(&String::from_utf8_lossy(field));
            if !cell.is_empty() {
                row.cells.push((column, cell));
            }
        }
        sheet.row(row)?;
    }
    sheet.finish()?;
    Ok(Some(out))
}

/// The character between fields, and the text after a line that declares it (`sep=;`, as Excel writes it).
fn delimiter(text: &str) -> (u8, &str) {
    if let Some(rest) = text.strip_prefix("sep=")
        && let [delimiter, b'\r' | b'\n', ..] = rest.as_bytes()
        && DELIMITERS.contains(delimiter)
    {
        return (*delimiter, &rest[1..]);
    }
    // The right one cuts all rows into the same number of fields. A decimal comma does not, or into fewer.
    let sample = sample(text);
    let best = DELIMITERS
        .into_iter()
        .map(|candidate| (score(sample, candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    (best.map_or(b',', |(_, delimiter)| delimiter), text)
}

/// The first lines: enough to decide, whatever the size of the file.
fn sample(text: &str) -> &str {
    let mut end = text.len().min(256 * 1024);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
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
mod tests {
    use super::{super::hostile, *};

    fn lines(text: impl AsRef<[u8]>) -> Vec<String> {
        let extracted = read(text.as_ref(), &Limits::default()).unwrap();
        extracted.blocks.into_iter().map(|block| block.text).collect()
    }

    #[test]
    fn finds_the_delimiter() {
        for (text, expected) in [
            ("a;b;c\n1,5;2,5;x\n3;4,25;y\n", "a: 1,5; b: 2,5; c: x"),
            ("a,b,c\n1.5,2.5,x\n3,4.25,y\n", "a: 1.5; b: 2.5; c: x"),
            ("a\tb\tc\n1,5\t2\tx; y\n", "a: 1,5; b: 2; c: x; y"),
            ("a|b|c\n1|2|x\n", "a: 1; b: 2; c: x"),
            ("sep=;\r\na;b;c\r\n1,2;3;4\r\n", "a: 1,2; b: 3; c: 4"),
        ] {
            assert_eq!(lines(text)[0], expected, "{text}");
        }
    }

    #[test]
    fn quoted_cells_keep_delimiters_and_lines() {
        let text = "código,nota,piso\r\n\"P-1\",\"uno, \"\"dos\"\"\r\ntres\",7\r\n";
        assert_eq!(lines(text), ["código: P-1; nota: uno, \"dos\" tres; piso: 7"]);
    }

    #[test]
    fn reads_what_a_spanish_excel_writes() {
        let text = "Código;Partida;Avance %\nOG-1;Excavación en la zona del depósito;12,5\n";
        let (bytes, ..) = encoding_rs::WINDOWS_1252.encode(text);
        assert_eq!(
            lines(bytes),
            ["Código: OG-1; Partida: Excavación en la zona del depósito; Avance %: 12,5"]
        );
    }

    #[test]
    fn an_open_quotation_mark_swallows_nothing() {
        let mut text = "pieza,medida,nota\ntubo,\"2 pulgadas,ok\n".to_owned();
        text.push_str(&"codo,3,bien\n".repeat(2_000));
        let lines = lines(text);
        assert_eq!(lines.len(), 2_001);
        assert_eq!(lines[2_000], "pieza: codo; medida: 3; nota: bien");
    }

    #[test]
    fn refuses_what_is_too_wide_too_long_or_no_text() {
        let limits = Limits::default();
        let wide = ",".repeat(1_000_000);
        assert!(matches!(read(wide.as_bytes(), &limits), Err(Error::TooLarge { limit: 2_000, .. })));
        let long = "a;b\n".repeat(20);
        let few = Limits { cells: 30, ..Limits::default() };
        assert!(matches!(read(long.as_bytes(), &few), Err(Error::TooLarge { limit: 30, .. })));
        assert!(matches!(read(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &limits), Err(Error::Damaged(_))));
        assert!(read(b"", &limits).unwrap().blocks.is_empty());
    }

    #[test]
    fn reads_the_sample() {
        let lines = lines(hostile::sample("control-de-avance-noviembre.csv"));
        assert_eq!(
            lines[0],
            "Código: OG-110; Partida: Excavación masiva; Unidad: m3; Cantidad contrato: 27300; Cantidad ejecutada: 27300; \
             Avance %: 100; Avance programado %: 100; Responsable: Rodrigo Tapia; Observación: Terminada el 14-03-2026"
        );
    }

    #[test]
    fn survives_mutations() {
        let sample = hostile::sample("control-de-avance-noviembre.csv");
        for seed in 0..500 {
            // Whatever it is, it is a table of something.
            let _ = read(&hostile::mutate(&sample, seed), &Limits::default());
        }
        hostile::survives_garbage(read, &sample);
    }
}
