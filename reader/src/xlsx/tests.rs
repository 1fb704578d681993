use super::{
    super::{Block, BlockKind, mutations, zip::tests::pack},
    *,
};

/// Builds a workbook with one sheet; style 1 is a date, style 2 a date with time, style 3 a percentage, style 4 an amount
/// and style 5 a number with leading zeros.
fn build(sheet: &str) -> Vec<u8> {
    build_with(sheet, &[])
}

/// Builds the same workbook with further parts.
fn build_with(sheet: &str, more: &[(&str, &str)]) -> Vec<u8> {
    const KIND: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = format!(
        "<Relationships><Relationship Id=\"r\" Type=\"{KIND}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
    );
    let workbook = "<workbook><sheets><sheet name=\"Puertas\" sheetId=\"1\" r:id=\"rId1\"/>\
        <sheet name=\"Oculta\" sheetId=\"2\" state=\"hidden\" r:id=\"rId2\"/></sheets></workbook>";
    let links = format!(
        "<Relationships><Relationship Id=\"rId1\" Type=\"{KIND}/worksheet\" Target=\"worksheets/sheet1.xml\"/>\
         <Relationship Id=\"rId2\" Type=\"{KIND}/worksheet\" Target=\"worksheets/sheet2.xml\"/></Relationships>"
    );
    let styles = "<styleSheet><numFmts><numFmt numFmtId=\"164\" formatCode=\"&quot;UF &quot;#,##0.00\"/>\
        <numFmt numFmtId=\"165\" formatCode=\"0000\"/></numFmts><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/>\
        <xf numFmtId=\"22\"/><xf numFmtId=\"9\"/><xf numFmtId=\"164\"/><xf numFmtId=\"165\"/></cellXfs></styleSheet>";
    let strings = "<sst><si><t>Código</t></si><si><r><t>Ubi</t></r><r><t>cación</t></r></si></sst>";
    let worksheet = format!("<worksheet>{sheet}</worksheet>");
    let hidden = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\"><v>1</v></c></row></sheetData></worksheet>";
    let mut parts = vec![
        ("_rels/.rels", package.as_bytes()),
        ("xl/workbook.xml", workbook.as_bytes()),
        ("xl/_rels/workbook.xml.rels", links.as_bytes()),
        ("xl/styles.xml", styles.as_bytes()),
        ("xl/sharedStrings.xml", strings.as_bytes()),
        ("xl/worksheets/sheet1.xml", worksheet.as_bytes()),
        ("xl/worksheets/sheet2.xml", hidden.as_bytes()),
    ];
    parts.extend(more.iter().map(|(name, part)| (*name, part.as_bytes())));
    pack(&parts)
}

fn texts(sheet: &str) -> Vec<String> {
    let extracted = read(&build(sheet), &Limits::default()).unwrap();
    extracted.blocks.into_iter().map(|block| block.text).collect()
}

fn words(name: &str, text: &str) -> String {
    format!("<c r=\"{name}\" t=\"inlineStr\"><is><t>{text}</t></is></c>")
}

fn number(name: &str, style: u8, value: &str) -> String {
    format!("<c r=\"{name}\" s=\"{style}\"><v>{value}</v></c>")
}

#[test]
fn the_sample_is_read() {
    let extracted = read(&mutations::sample("door-and-equipment-schedule.xlsx"), &Limits::default()).unwrap();
    let has = |kind: BlockKind, text: &str| {
        let block = Block { kind, text: text.to_owned(), page: None };
        assert!(extracted.blocks.contains(&block), "{text}\n{:#?}", extracted.blocks);
    };
    has(
        BlockKind::TableRow,
        "Type: P-02; Location: Stair 1 and 2, levels 1 to 22; Quantity: 88; Leaf (mm): 1000 x 2100; \
         Material: steel, painted RAL 7016; Fire rating (min): 60; Acoustic (dB): 30; \
         Hardware: panic bar, closer, hold-open magnet; Supplier: Metalfuego",
    );
    assert_eq!(extracted.blocks.iter().filter(|block| block.kind == BlockKind::Heading(1)).count(), 2);
    assert_eq!(extracted.metadata.pages, 0);
}

#[test]
fn values_are_written_as_excel_shows_them() {
    let sheet = "<sheetData>\
        <row r=\"3\"><c r=\"A3\" t=\"s\"><v>0</v></c><c r=\"B3\" t=\"s\"><v>1</v></c><c r=\"C3\" t=\"inlineStr\"><is><t>Fecha</t></is></c>\
            <c r=\"D3\" t=\"str\"><v>Total</v></c><c r=\"E3\" t=\"inlineStr\"><is><t>Listo</t></is></c></row>\
        <row r=\"4\"/><row r=\"5\"><c r=\"A5\" s=\"1\"/></row>\
        <row r=\"6\"><c r=\"A6\" t=\"inlineStr\"><is><t>P-1</t></is></c><c r=\"C6\" s=\"1\"><v>46338</v></c>\
            <c r=\"D6\"><f>SUM(A1:A2)</f><v>12.300000000000001</v></c><c r=\"E6\" t=\"b\"><v>1</v></c></row>\
        <row r=\"7\"><c r=\"A7\" t=\"e\"><v>#N/A</v></c><c r=\"C7\" s=\"2\"><v>46338.5</v></c></row></sheetData>";
    assert_eq!(
        texts(sheet),
        ["Puertas", "Código: P-1; Fecha: 2026-11-12; Total: 12.3; Listo: TRUE", "Fecha: 2026-11-12 12:00"]
    );
}

#[test]
fn numbers_keep_their_notation() {
    let sheet = format!(
        "<sheetData><row r=\"1\">{}{}{}</row><row r=\"2\">{}{}{}</row></sheetData>",
        words("A1", "Código"),
        words("B1", "Avance"),
        words("C1", "Costo"),
        number("A2", 5, "21"),
        number("B2", 3, "0.45"),
        number("C2", 4, "12.5"),
    );
    assert_eq!(texts(&sheet), ["Puertas", "Código: 0021; Avance: 45%; Costo: UF 12.5"]);
    // An amount is a figure, so this is a form and its first row names no columns.
    let form = format!(
        "<sheetData><row r=\"1\">{}{}</row><row r=\"2\">{}{}</row><row r=\"3\">{}{}</row></sheetData>",
        words("A1", "Presupuesto"),
        number("B1", 4, "12"),
        words("A2", "Garantía"),
        number("B2", 4, "3"),
        words("A3", "Multa"),
        number("B3", 4, "1"),
    );
    assert_eq!(texts(&form), ["Puertas", "Presupuesto: UF 12", "Garantía: UF 3", "Multa: UF 1"]);
}

#[test]
fn another_table_below_an_empty_row_has_its_own_names() {
    let row = |row: u8, [a, b, c]: [&str; 3]| {
        let [a, b, c] = [("A", a), ("B", b), ("C", c)].map(|(column, text)| {
            let name = format!("{column}{row}");
            if text.parse::<u32>().is_ok() { number(&name, 0, text) } else { words(&name, text) }
        });
        format!("<row r=\"{row}\">{a}{b}{c}</row>")
    };
    let sheet = [
        row(1, ["Tipo", "Piso", "Hoja"]),
        row(2, ["P-1", "7", "900"]),
        row(5, ["Equipo", "Cantidad", "Potencia"]),
        row(6, ["Bomba", "2", "15"]),
    ];
    assert_eq!(
        texts(&format!("<sheetData>{}</sheetData>", sheet.concat())),
        ["Puertas", "Tipo: P-1; Piso: 7; Hoja: 900", "Equipo: Bomba; Cantidad: 2; Potencia: 15"]
    );
}

#[test]
fn a_merged_cell_counts_in_all_its_rows() {
    let sheet = format!(
        "<sheetData><row r=\"1\">{}{}</row><row r=\"2\">{}{}</row><row r=\"3\">{}{}</row><row r=\"4\">{}</row></sheetData>\
         <mergeCells><mergeCell ref=\"A1:A2\"/><mergeCell ref=\"B1:C1\"/><mergeCell ref=\"A3:A4\"/></mergeCells>",
        words("A1", "Piso"),
        words("B1", "Horas"),
        words("B2", "plan"),
        words("C2", "real"),
        words("A3", "siete"),
        words("B3", "ocho"),
        words("C4", "nueve"),
    );
    assert_eq!(texts(&sheet), ["Puertas", "Piso: siete; Horas plan: ocho", "Piso: siete; Horas real: nueve"]);
}

#[test]
fn comments_and_text_boxes_follow_the_rows() {
    let link =
        |kind: &str| format!("<Relationship Id=\"{kind}\" Type=\"x/{kind}\" Target=\"../{kind}.xml\"/>");
    let links = ["comments", "threadedComment", "drawing"].map(link).concat();
    let links = format!("<Relationships>{links}</Relationships>");
    let comments = "<comments><authors><author>Ana</author></authors><commentList>\
        <comment ref=\"A1\"><text><r><t>Ana:\n</t></r><r><t>falta la cota</t></r></text></comment>\
        <comment ref=\"B7\"><text><t>Su versión de Excel no muestra hilos.</t></text></comment>\
        <comment ref=\"C9\"><text/></comment></commentList></comments>";
    let threads = "<ThreadedComments><threadedComment ref=\"B7\" id=\"1\"><text>¿900 o 1000?</text></threadedComment>\
        <threadedComment ref=\"B7\" parentId=\"1\"><text>1000</text></threadedComment></ThreadedComments>";
    let drawing = "<xdr:wsDr><xdr:twoCellAnchor><xdr:from><xdr:col>1</xdr:col></xdr:from><xdr:sp><xdr:txBody>\
        <a:p><a:r><a:t>Ver plano A-12</a:t></a:r></a:p></xdr:txBody></xdr:sp></xdr:twoCellAnchor></xdr:wsDr>";
    let more = [
        ("xl/worksheets/_rels/sheet1.xml.rels", links.as_str()),
        ("xl/comments.xml", comments),
        ("xl/threadedComment.xml", threads),
        ("xl/drawing.xml", drawing),
    ];
    let row = format!("<row r=\"1\">{}</row>", words("A1", "Muro M-1"));
    let added = ["B7: ¿900 o 1000?", "B7: 1000", "A1: Ana: falta la cota", "Ver plano A-12"];
    for (row, above) in [(row.as_str(), vec!["Puertas", "Muro M-1"]), ("", vec!["Puertas"])] {
        let workbook = build_with(&format!("<sheetData>{row}</sheetData>"), &more);
        let extracted = read(&workbook, &Limits::default()).unwrap();
        let found: Vec<&str> = extracted.blocks.iter().map(|block| block.text.as_str()).collect();
        assert_eq!(found, [above.as_slice(), &added].concat());
        let few = Limits { cells: 3, ..Limits::default() };
        assert!(matches!(read(&workbook, &few), Err(Error::TooLarge { limit: 3, .. })));
    }
}

#[test]
fn a_distant_cell_needs_no_memory() {
    let sheet = "<sheetData><row r=\"1\"><c r=\"A1\"><v>1</v></c></row><row r=\"1048576\"><c r=\"XFD1048576\"><v>2</v></c></row></sheetData>";
    assert_eq!(texts(sheet), ["Puertas", "1", "2"]);
}

#[test]
fn unreadable_files_are_refused() {
    let limits = Limits::default();
    assert!(matches!(read(b"a;b;c", &limits), Err(Error::Damaged(_))));
    assert!(matches!(read(&pack(&[("xl/other.xml", b"<a/>")]), &limits), Err(Error::Damaged(_))));
    let sample = mutations::sample("door-and-equipment-schedule.xlsx");
    assert!(matches!(read(&sample[..sample.len() / 2], &limits), Err(Error::Damaged(_))));
    // A reference to a text that is not in the list of shared texts.
    let lost = "<sheetData><row r=\"1\"><c r=\"A1\" t=\"s\"><v>99</v></c></row></sheetData>";
    assert!(matches!(read(&build(lost), &limits), Err(Error::Damaged(_))));
}

#[test]
fn files_over_the_limits_are_refused() {
    let cells = "<c><v>1</v></c>".repeat(3_000);
    let wide = build(&format!("<sheetData><row r=\"1\">{cells}</row></sheetData>"));
    assert!(matches!(read(&wide, &Limits::default()), Err(Error::TooLarge { limit: 2_000, .. })));
    let few = Limits { cells: 2_999, ..Limits::default() };
    assert!(matches!(read(&wide, &few), Err(Error::TooLarge { limit: 2_999, .. })));
    let bomb = build(&format!("<sheetData>{}</sheetData>", " ".repeat(20_000_000)));
    let small = Limits { unpacked_bytes: 16 * 1024 * 1024, ..Limits::default() };
    assert!(matches!(read(&bomb, &small), Err(Error::TooLarge { .. })));
}

#[test]
fn cells_that_have_only_a_format_do_not_count() {
    let borders = "<c s=\"1\"/>".repeat(1_000);
    let sheet = format!("<sheetData><row r=\"1\"><c r=\"A1\"><v>7</v></c>{borders}</row></sheetData>");
    let few = Limits { cells: 10, ..Limits::default() };
    let extracted = read(&build(&sheet), &few).unwrap();
    assert_eq!(extracted.blocks.last().unwrap().text, "7");
}

#[test]
fn damaged_files_do_not_panic() {
    let sample = mutations::sample("door-and-equipment-schedule.xlsx");
    mutations::survives(read, &sample, 300);
    mutations::survives_inside(read, &sample, 500);
    mutations::survives_garbage(read, &sample);
}
