use std::io::{Cursor, Write as _};

use super::*;

/// The numbers of record types in the XLS format.
mod record {
    pub const END: u16 = 0x000A;
    pub const FILE_PASS: u16 = 0x002F;
    pub const SHEET: u16 = 0x0085;
    pub const DIMENSIONS: u16 = 0x0200;
    pub const NUMBER: u16 = 0x0203;
    pub const LABEL: u16 = 0x0204;
}

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), &(data.len() as u16).to_le_bytes(), data].concat()
}

/// Returns the first record (BOF) of a workbook (`kind` 5) or of a sheet (`kind` 16) of Excel 97.
fn begin(kind: u16) -> Vec<u8> {
    record(0x0809, &[&0x0600u16.to_le_bytes()[..], &kind.to_le_bytes(), &[0; 12]].concat())
}

fn label(row: u16, column: u16, text: &str) -> Vec<u8> {
    let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = (units.len() / 2) as u16;
    let place = [row.to_le_bytes(), column.to_le_bytes(), [0, 0], length.to_le_bytes()].concat();
    record(record::LABEL, &[&place[..], &[1], &units].concat())
}

fn number(row: u16, column: u16, value: f64) -> Vec<u8> {
    let place = [row.to_le_bytes(), column.to_le_bytes(), [0, 0]].concat();
    record(record::NUMBER, &[&place[..], &value.to_le_bytes()].concat())
}

fn dimensions(rows: u32, columns: u16) -> Vec<u8> {
    let columns = columns.to_le_bytes();
    let sizes = [&0u32.to_le_bytes()[..], &rows.to_le_bytes(), &[0, 0], &columns, &[0, 0]].concat();
    record(record::DIMENSIONS, &sizes)
}

/// Returns the bytes of the stream `Workbook` with one sheet.
fn stream(before: &[u8], cells: &[u8]) -> Vec<u8> {
    let name = b"\x07\x00Puertas";
    let head = |position: u32| {
        let sheet = record(record::SHEET, &[&position.to_le_bytes()[..], &[0, 0], name].concat());
        [begin(5), before.to_vec(), sheet, record(record::END, &[])].concat()
    };
    let position = head(0).len() as u32;
    [head(position), begin(16), cells.to_vec(), record(record::END, &[])].concat()
}

fn build(stream: &[u8]) -> Vec<u8> {
    let mut container = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    container.create_stream("/Workbook").unwrap().write_all(stream).unwrap();
    container.flush().unwrap();
    container.into_inner().into_inner()
}

fn doors() -> Vec<u8> {
    let cells = [
        dimensions(2, 2),
        label(0, 0, "Código"),
        label(0, 1, "Cantidad"),
        label(1, 0, "P-1"),
        number(1, 1, 12.5),
        label(2, 0, "P-2"),
        number(2, 1, 3.0),
    ];
    stream(&[], &cells.concat())
}

#[tokio::test]
async fn rows_are_read_with_their_header() {
    let extracted = read("puertas.xls", &build(&doors())).await.unwrap();
    let texts: Vec<&str> = extracted.blocks.iter().map(|block| block.text.as_str()).collect();
    assert_eq!(texts, ["Puertas", "Código: P-1; Cantidad: 12.5", "Código: P-2; Cantidad: 3"]);
    assert_eq!(extracted.metadata.file_type, "xls");
}

#[tokio::test]
async fn a_workbook_with_a_password_is_refused_as_protected() {
    let protected = build(&stream(&record(record::FILE_PASS, &[1, 0, 1, 0]), &[]));
    assert_eq!(read("a.xls", &protected).await, Err(Error::PasswordProtected));
}

#[tokio::test]
async fn distant_cells_and_false_sizes_end_only_the_child() {
    let limits = Limits { memory_bytes: 256 << 20, ..Limits::default() };
    let far = [number(0, 0, 1.0), number(65_535, 255, 2.0)].concat();
    for cells in [far, [dimensions(u32::MAX, u16::MAX), label(0, 0, "a")].concat()] {
        let read = read_within("a.xls", &build(&stream(&[], &cells)), &limits).await;
        assert_eq!(read, Err(Error::OutOfMemory));
    }
}

#[tokio::test]
async fn damaged_workbooks_are_read_or_refused() {
    let doors = doors();
    for seed in 0..150_u32 {
        let mut mutated = doors.clone();
        for n in 0..=seed % 4 {
            let random = (seed * 4 + n).wrapping_mul(2_654_435_761);
            let at = (random >> 8) as usize % mutated.len();
            mutated[at] = random as u8;
        }
        let read = read("a.xls", &build(&mutated)).await;
        assert!(!matches!(read, Err(Error::Crashed(_) | Error::TimedOut(_))), "{seed}: {read:?}");
    }
}
