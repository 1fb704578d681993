use super::{
    super::{super::super::Limits, group::tests::row},
    *,
};

/// Returns what is written of groups of rows that one line of text separates.
fn written(parts: &[&[Line]]) -> Vec<String> {
    separated(parts, false)
}

/// Returns what is written of groups of rows that one line separates, which is a title or other text.
fn separated(parts: &[&[Line]], by_title: bool) -> Vec<String> {
    let (mut table, mut blocks) = (Rows::default(), Blocks::new(&Limits::default()));
    for part in parts {
        table.write(&part.iter().collect::<Vec<_>>(), 1, &mut blocks).unwrap();
        table.pass(1, by_title);
    }
    blocks.finish_without_title(Default::default()).blocks.into_iter().map(|block| block.text).collect()
}

fn line(cells: &[(&str, f32)]) -> Line {
    row(cells, 500.0)
}

fn header() -> Line {
    line(&[("Código", 50.0), ("Descripción", 150.0), ("Estado", 350.0)])
}

fn first_row() -> Line {
    line(&[("P-1", 50.0), ("Bomba", 150.0), ("Nueva", 350.0)])
}

#[test]
fn a_table_goes_on_after_a_break_with_the_names_of_its_columns() {
    let next = line(&[("P-2", 50.0), ("Motor", 150.0), ("Usado", 350.0)]);
    let last = line(&[("P-3", 50.0), ("Válvula", 150.0), ("Nueva", 350.0)]);
    let expected = [
        "Código: P-1; Descripción: Bomba; Estado: Nueva",
        "Código: P-2; Descripción: Motor; Estado: Usado",
        "Código: P-3; Descripción: Válvula; Estado: Nueva",
    ];
    assert_eq!(written(&[&[header(), first_row()], &[next.clone(), last.clone()]]), expected);
    assert_eq!(written(&[&[header(), first_row()], &[header(), next, last]]), expected);
}

#[test]
fn a_row_with_an_empty_cell_has_the_names_of_its_cells() {
    // The second column is wider than its name.
    let rows = [
        header(),
        line(&[("P-2", 50.0), ("Nueva", 352.0)]),
        line(&[("P-3", 50.0), ("Motor", 210.0), ("Usado", 350.0)]),
        line(&[("Motor de reserva", 232.0), ("Usado", 350.0)]),
        line(&[("Revisado por:", 150.0), ("Ana Gil", 350.0)]),
    ];
    let expected = [
        "Código: P-2; Estado: Nueva",
        "Código: P-3; Descripción: Motor; Estado: Usado",
        "Descripción: Motor de reserva; Estado: Usado",
        "Revisado por: Ana Gil",
    ];
    assert_eq!(written(&[&rows]), expected);
}

#[test]
fn another_table_has_its_own_names() {
    let names = [("Cargo", 50.0), ("Plazo", 150.0), ("Costo", 350.0)];
    let words = line(&[("Jefe", 50.0), ("Largo", 150.0), ("Alto", 350.0)]);
    let figures = line(&[("Jefe", 50.0), ("30", 150.0), ("1.200", 350.0)]);
    let bold = Line { bold: true, ..line(&names) };
    let moved = line(&[("Cargo", 80.0), ("Plazo", 250.0), ("Costo", 450.0)]);
    let moved_row = line(&[("Jefe", 80.0), ("Largo", 250.0), ("Alto", 450.0)]);
    let last = |rows: [Line; 2]| written(&[&[header(), first_row()], &rows]).pop().unwrap();
    assert_eq!(last([bold, words]), "Cargo: Jefe; Plazo: Largo; Costo: Alto");
    assert_eq!(last([line(&names), figures.clone()]), "Cargo: Jefe; Plazo: 30; Costo: 1.200");
    assert_eq!(last([moved, moved_row]), "Cargo: Jefe; Plazo: Largo; Costo: Alto");
    // A row of this table that happens to have no figures.
    let words = line(&[("P-2", 50.0), ("Por definir", 150.0), ("Sin costo", 350.0)]);
    assert_eq!(last([words, figures]), "Código: Jefe; Descripción: 30; Estado: 1.200");
}

#[test]
fn words_below_a_title_are_the_names_of_another_table() {
    let names = line(&[("Cargo", 50.0), ("Plazo", 150.0), ("Costo", 350.0)]);
    let words = line(&[("Jefe", 50.0), ("Largo", 150.0), ("Alto", 350.0)]);
    let parts: [&[Line]; 2] = [&[header(), first_row()], &[names, words]];
    assert_eq!(separated(&parts, true)[1..], ["Cargo: Jefe; Plazo: Largo; Costo: Alto"]);
    // Below other text, they are rows of the same table.
    assert_eq!(separated(&parts, false)[1], "Código: Cargo; Descripción: Plazo; Estado: Costo");
}

#[test]
fn a_table_ends_where_text_begins() {
    let next = line(&[("P-2", 50.0), ("Motor", 150.0), ("4", 350.0)]);
    assert_eq!(written(&[&[header(), first_row()], &[], &[], &[], &[next]])[1], "P-2; Motor; 4");
}
