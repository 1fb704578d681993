use super::{
    super::{ExtractedMetadata, table::tests::cells},
    *,
};

fn texts(blocks: Blocks) -> Vec<String> {
    let extracted = blocks.finish(ExtractedMetadata::default());
    extracted.blocks.into_iter().map(|block| block.text).collect()
}

fn lines(rows: &[&[&str]]) -> Vec<String> {
    let limits = Limits::default();
    let mut out = Blocks::new(&limits);
    let mut sheet = Sheet::new(None, &mut out, &limits);
    for row in rows {
        sheet.row(Row { cells: cells(row), ..Row::default() }).unwrap();
    }
    sheet.finish(&[]).unwrap();
    texts(out)
}

#[test]
fn the_first_row_names_the_columns() {
    assert_eq!(lines(&[&["a", "b"], &["1", "2"], &["", "3"], &["a", "b"]]), ["a: 1; b: 2", "b: 3"]);
}

#[test]
fn titles_stand_above_the_header() {
    let rows: [&[&str]; 5] = [
        &["LISTADO DE PUERTAS"],
        &["Proyecto", "Torre Norte"],
        &["Tipo", "Ubicación", "Cantidad", "Material"],
        &["P-01", "Acceso", "2", "vidrio"],
        &["P-02", "", "88", "acero"],
    ];
    assert_eq!(
        lines(&rows),
        [
            "LISTADO DE PUERTAS",
            "Proyecto: Torre Norte",
            "Tipo: P-01; Ubicación: Acceso; Cantidad: 2; Material: vidrio",
            "Tipo: P-02; Cantidad: 88; Material: acero",
        ]
    );
}

#[test]
fn forms_and_lists_have_no_header() {
    assert_eq!(
        lines(&[&["Proyecto", "Torre Norte"], &["Fecha", "12-11-2026"], &["Lugar", "Obra"]]),
        ["Proyecto: Torre Norte", "Fecha: 12-11-2026", "Lugar: Obra"]
    );
    assert_eq!(lines(&[&["uno"], &["dos"]]), ["uno", "dos"]);
    assert_eq!(lines(&[&["1", "2", "3"], &["4", "5", "6"]]), ["1; 2; 3", "4; 5; 6"]);
    assert_eq!(lines(&[&["a", "b"]]), ["a: b"]);
    assert_eq!(lines(&[&["Total", "costo"], &["Obra", "12"]]), ["Total: costo", "Obra: 12"]);
    assert!(lines(&[]).is_empty());
}

#[test]
fn a_header_may_hold_a_figure() {
    assert_eq!(
        lines(&[&["0", "Nombre", "Edad", "Piso"], &["1", "Ana", "32", "7"]]),
        ["0: 1; Nombre: Ana; Edad: 32; Piso: 7"]
    );
    assert_eq!(
        lines(&[&["P-1", "Puerta", "2", "acero"], &["P-2", "Puerta", "3", "acero"]]),
        ["P-1; Puerta; 2; acero", "P-2; Puerta; 3; acero"]
    );
    assert_eq!(
        lines(&[&["INFORME 2024"], &["Mes", "Ventas"], &["enero", "10"], &["total", "10"]]),
        ["INFORME 2024", "Mes: enero; Ventas: 10", "Mes: total; Ventas: 10"]
    );
}

#[test]
fn another_table_below_an_empty_row_has_its_own_names() {
    let first: [&[&str]; 4] = [&["Tipo", "Piso", "Hoja"], &["P-1", "7", "900"], &["P-2", "8", "800"], &[]];
    let second: [&[&str]; 4] =
        [&["EQUIPOS"], &["Equipo", "Cantidad", "Potencia"], &["Bomba", "2", "15"], &["Grúa", "1", "45"]];
    let expected = [
        "Tipo: P-1; Piso: 7; Hoja: 900",
        "Tipo: P-2; Piso: 8; Hoja: 800",
        "EQUIPOS",
        "Equipo: Bomba; Cantidad: 2; Potencia: 15",
        "Equipo: Grúa; Cantidad: 1; Potencia: 45",
    ];
    assert_eq!(lines(&[first, second].concat()), expected);
    // It does not matter whether the first header is known when the other table begins.
    let long: Vec<&[&str]> = [&first[..1], &[first[1]; ROWS_TO_DECIDE], &first[3..], &second].concat();
    assert_eq!(lines(&long)[ROWS_TO_DECIDE..], expected[2..]);
}

#[test]
fn a_table_with_empty_rows_inside_keeps_its_names() {
    let rows: [&[&str]; 9] = [
        &["Tipo", "Piso", "Hoja"],
        &[],
        &["P-1", "7", "900"],
        &[],
        &["P-2", "s/i", "pendiente"],
        &["P-3", "texto", "otro"],
        &[],
        &["P-4", "s/i", "pendiente"],
        &["P-5", "9", "700"],
    ];
    assert_eq!(
        lines(&rows),
        [
            "Tipo: P-1; Piso: 7; Hoja: 900",
            "Tipo: P-2; Piso: s/i; Hoja: pendiente",
            "Tipo: P-3; Piso: texto; Hoja: otro",
            "Tipo: P-4; Piso: s/i; Hoja: pendiente",
            "Tipo: P-5; Piso: 9; Hoja: 700",
        ]
    );
}

#[test]
fn amounts_with_their_unit_are_figures() {
    let limits = Limits::default();
    let mut out = Blocks::new(&limits);
    let mut sheet = Sheet::new(None, &mut out, &limits);
    for row in [["Presupuesto", "UF 12"], ["Garantía", "UF 3"], ["Plazo", "300 días"]] {
        sheet.row(Row { cells: cells(&row), amounts: vec![1], ..Row::default() }).unwrap();
    }
    sheet.finish(&[]).unwrap();
    assert_eq!(texts(out), ["Presupuesto: UF 12", "Garantía: UF 3", "Plazo: 300 días"]);
}

#[test]
fn a_merged_header_names_all_its_columns() {
    let limits = Limits::default();
    let mut out = Blocks::new(&limits);
    let mut sheet = Sheet::new(None, &mut out, &limits);
    let merged = vec![Dimensions::new((0, 0), (1, 0)), Dimensions::new((0, 1), (0, 2))];
    sheet.row(Row { cells: cells(&["Partida", "Cantidad", ""]), merged, ..Row::default() }).unwrap();
    sheet.row(Row { cells: cells(&["Partida", "contrato", "ejecutada"]), ..Row::default() }).unwrap();
    sheet.row(Row { cells: cells(&["Losa", "10", "4"]), ..Row::default() }).unwrap();
    sheet.finish(&[]).unwrap();
    let line = texts(out).remove(0);
    assert_eq!(line, "Partida: Losa; Cantidad contrato: 10; Cantidad ejecutada: 4");
}

#[test]
fn too_many_columns_are_refused() {
    let limits = Limits { columns: 3, ..Limits::default() };
    let mut out = Blocks::new(&limits);
    let mut sheet = Sheet::new(None, &mut out, &limits);
    let row = Row { cells: cells(&["1", "2", "3", "4"]), ..Row::default() };
    assert!(matches!(sheet.row(row), Err(Error::TooLarge { limit: 3, .. })));
}
