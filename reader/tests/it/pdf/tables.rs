use reader::BlockKind::{ListItem, TableRow};

use super::{
    super::*,
    build::{pages, text},
};

/// Returns the content of a table row with cells at 60, 220 and 400 points; an empty cell is left out.
fn row(bottom: u16, cells: [&str; 3]) -> String {
    let written = [60, 220, 400].into_iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
    written.map(|(left, cell)| text(left, bottom, cell)).collect()
}

#[tokio::test]
async fn a_table_on_several_pages_has_the_names_of_its_columns_on_each() {
    let page = |number: u16| {
        let code = format!("P-{number}");
        [
            // The header is in the margin, where repeated lines are removed.
            row(800, ["Codigo", "Equipo", "Estado"]),
            row(784, [&code, "Bomba", "Nueva"]),
            row(768, [&code, "", "Usada"]),
            text(60, 752, "Equipos de reserva"),
            row(736, [&code, "Motor", "Nuevo"]),
        ]
        .concat()
    };
    let list = read("list.pdf", &pages(&[page(1), page(2), page(3)])).await.unwrap();
    let rows = list.blocks.iter().filter(|block| block.kind == TableRow).map(|block| block.text.clone());
    let expected = (1..=3).flat_map(|number| {
        ["Equipo: Bomba; Estado: Nueva", "Estado: Usada", "Equipo: Motor; Estado: Nuevo"]
            .map(|rest| format!("Codigo: P-{number}; {rest}"))
    });
    assert_eq!(rows.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_table_below_a_title_has_its_own_names() {
    let content = [
        row(700, ["Nombre", "Cargo", "Empresa"]),
        row(684, ["Ana Gil", "Jefa", "Andamar"]),
        text(60, 660, "2. Acuerdos"),
        row(636, ["Item", "Acuerdo", "Responsable"]),
        row(620, ["1", "Se instala baranda", "Soto"]),
    ];
    let minutes = read("minutes.pdf", &pages(&[content.concat()])).await.unwrap();
    let expected = [
        (TableRow, 1, "Nombre: Ana Gil; Cargo: Jefa; Empresa: Andamar"),
        (ListItem, 1, "2. Acuerdos"),
        (TableRow, 1, "Item: 1; Acuerdo: Se instala baranda; Responsable: Soto"),
    ];
    assert_eq!(blocks(&minutes), expected);
}

#[tokio::test]
async fn a_number_before_a_tab_belongs_to_its_line() {
    let content = [text(60, 700, "1."), text(100, 700, "GENERALIDADES"), text(60, 660, "Texto.")].concat();
    let report = read("report.pdf", &pages(&[content])).await.unwrap();
    assert_eq!(blocks(&report)[0], (ListItem, 1, "1. GENERALIDADES"));
}
