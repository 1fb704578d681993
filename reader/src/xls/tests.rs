use super::{
    super::{hostile, ole},
    *,
};

fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes(), &(data.len() as u16).to_le_bytes(), data].concat()
}

/// The beginning of a workbook (5) or a sheet (16) of Excel 97.
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

fn workbook(before: &[u8], cells: &[u8]) -> Vec<u8> {
    let name = b"\x07\x00Puertas";
    let head = |position: u32| {
        let sheet = record(record::SHEET, &[&position.to_le_bytes()[..], &[0, 0], name].concat());
        [begin(5), before.to_vec(), sheet, record(record::END, &[])].concat()
    };
    let position = head(0).len() as u32;
    [head(position), begin(16), cells.to_vec(), record(record::END, &[])].concat()
}

fn build(before: &[u8], cells: &[u8]) -> Vec<u8> {
    ole::tests::build(&[("/Workbook", &workbook(before, cells))])
}

fn doors() -> Vec<u8> {
    let dimensions = [&0u32.to_le_bytes()[..], &2u32.to_le_bytes(), &[0, 0, 2, 0, 0, 0]].concat();
    let cells = [
        record(record::DIMENSIONS, &dimensions),
        label(0, 0, "Código"),
        label(0, 1, "Cantidad"),
        label(1, 0, "P-1"),
        number(1, 1, 12.5),
        label(2, 0, "P-2"),
        number(2, 1, 3.0),
    ];
    build(&[], &cells.concat())
}

#[test]
fn reads_rows_with_their_header() {
    let extracted = read(&doors(), &Limits::default()).unwrap();
    let texts: Vec<&str> = extracted.blocks.iter().map(|block| block.text.as_str()).collect();
    assert_eq!(texts, ["Puertas", "Código: P-1; Cantidad: 12.5", "Código: P-2; Cantidad: 3"]);
}

#[test]
fn refuses_what_it_cannot_read() {
    let limits = Limits::default();
    let protected = build(&record(record::FILE_PASS, &[1, 0, 1, 0]), &[]);
    assert_eq!(read(&protected, &limits), Err(Error::PasswordProtected));
    assert!(matches!(read(b"text", &limits), Err(Error::Damaged(_))));
    assert!(matches!(read(&ole::tests::build(&[("/WordDocument", b"x")]), &limits), Err(Error::Damaged(_))));
}

#[test]
fn far_cells_and_false_announcements_cost_nothing() {
    let limits = Limits::default();
    let far = [number(0, 0, 1.0), number(65_535, 255, 2.0)].concat();
    assert!(matches!(read(&build(&[], &far), &limits), Err(Error::TooLarge { .. })));

    let announced = [&0u32.to_le_bytes()[..], &u32::MAX.to_le_bytes(), &[0, 0, 0xFF, 0xFF, 0, 0]].concat();
    let cells = [record(record::DIMENSIONS, &announced), label(0, 0, "a")].concat();
    assert_eq!(read(&build(&[], &cells), &limits).unwrap().blocks.len(), 2);
}

#[test]
fn survives_mutations() {
    let doors = doors();
    hostile::survives(read, &doors, 300);
    hostile::survives_garbage(read, &doors);
    // And below the container, which mutations of the file mostly break first.
    let stream =
        ole::Container::open(&doors, &Limits::default()).unwrap().stream("/Workbook").unwrap().unwrap();
    for seed in 0..1_000 {
        let mutated = ole::tests::build(&[("/Workbook", &hostile::mutate(&stream, seed))]);
        let _ = read(&mutated, &Limits::default());
    }
}
