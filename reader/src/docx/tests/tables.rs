use super::*;

#[test]
fn rows_keep_their_header() {
    let rows: [&[&str]; 3] = [&["Código", "Nombre", "Piso"], &["P-1", "Puerta", ""], &["P-2", "", "7"]];
    assert_eq!(texts(&table("", &rows)), ["Código: P-1; Nombre: Puerta", "Código: P-2; Piso: 7"]);
    // A first row of two columns is a header only if the document marks it.
    let rows: [&[&str]; 2] = [&["Código", "Nombre"], &["P-1", "Puerta"]];
    assert_eq!(texts(&table("", &rows)), ["Código: Nombre", "P-1: Puerta"]);
    let marked = "<w:tblStyle w:val=\"Rejilla\"/><w:tblLook w:val=\"04A0\"/>";
    assert_eq!(texts(&table(marked, &rows)), ["Código: P-1; Nombre: Puerta"]);
    let bold = |text: &str| format!("<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>{text}</w:t></w:r></w:p>");
    let (code, name) = (bold("Código"), bold("Nombre"));
    assert_eq!(texts(&table("", &[&[&code, &name], &["P-1", "Puerta"]])), ["Código: P-1; Nombre: Puerta"]);
}

#[test]
fn a_merged_cell_counts_in_all_its_rows_and_columns() {
    let header = "<w:tr><w:trPr><w:tblHeader/></w:trPr><w:tc><w:p><w:r><w:t>Piso</w:t></w:r></w:p></w:tc>\
        <w:tc><w:tcPr><w:gridSpan w:val=\"2\"/></w:tcPr><w:p><w:r><w:t>Cantidad</w:t></w:r></w:p></w:tc></w:tr>\
        <w:tr><w:trPr><w:tblHeader/></w:trPr><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>plan</w:t></w:r></w:p></w:tc>\
        <w:tc><w:p><w:r><w:t>real</w:t></w:r></w:p></w:tc></w:tr>";
    let down = |merge: &str, text: &str| {
        format!("<w:tc><w:tcPr>{merge}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>")
    };
    let rows = [
        format!("<w:tr>{}<w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr>", down("<w:vMerge w:val=\"restart\"/>", "7"), p("10"), p("9")),
        format!("<w:tr>{}<w:tc>{}</w:tc><w:tc>{}</w:tc></w:tr>", down("<w:vMerge/>", ""), p("20"), p("18")),
        "<w:tr><w:trPr><w:del/></w:trPr><w:tc><w:p/></w:tc><w:tc><w:p><w:r><w:t>borrada</w:t></w:r></w:p></w:tc></w:tr>".to_owned(),
    ];
    assert_eq!(
        texts(&format!("<w:tbl>{header}{}</w:tbl>", rows.concat())),
        ["Piso: 7; Cantidad plan: 10; Cantidad real: 9", "Piso: 7; Cantidad plan: 20; Cantidad real: 18"]
    );
}

#[test]
fn nested_tables_and_frames_are_read() {
    // A frame around ordinary text is not a table.
    let framed = format!("{}{}", styled("Ttulo1", "Dentro"), p("texto"));
    assert_eq!(texts(&table("", &[&[&framed]])), ["1. Dentro", "texto"]);
    let inner = table("", &[&["a", "b", "c"], &["1", "2", "3"]]);
    let outer = table("", &[&[&inner, "al lado"]]);
    assert_eq!(texts(&outer), ["a: 1; b: 2; c: 3", "al lado"]);
    // A heading above or beside other text is a heading, also in a cell.
    let section = format!("{}{}", styled("Puesto", "Alcance"), p("texto"));
    assert_eq!(texts(&table("", &[&[&section, "al lado"]])), ["Alcance", "texto", "al lado"]);
    let goal = styled("Ttulo1", "OBJETIVO");
    let section = ["uno", "dos", "tres"].map(p).concat();
    assert_eq!(texts(&table("", &[&[&goal, &section]])), ["1. OBJETIVO", "uno", "dos", "tres"]);
    // In a row of single texts, it is a value.
    let [kind, leaf, floor] = ["Tipo", "Hoja", "Piso"].map(|name| styled("Puesto", name));
    let rows: [&[&str]; 2] = [&[&kind, &leaf, &floor], &["P", "900", "1"]];
    assert_eq!(texts(&table("", &rows)), ["Tipo: P; Hoja: 900; Piso: 1"]);
    // A title above the table is not its header.
    let rows: [&[&str]; 3] = [&["PUERTAS"], &["Tipo", "Hoja", "Piso"], &["P", "900", "1"]];
    assert_eq!(texts(&table("", &rows)), ["PUERTAS", "Tipo: P; Hoja: 900; Piso: 1"]);
}
