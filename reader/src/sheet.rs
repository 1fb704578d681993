//! Spreadsheets and CSV files: rows come one by one, and the first that names columns is the header.

use super::{
    BlockKind, Error, Limits,
    blocks::Blocks,
    table::{Cells, Header, is_figure, looks_like_header},
};

/// A header stands within the first rows, below at most a title and a few lines about the whole.
const ROWS_TO_DECIDE: usize = 20;
const DEEPEST_HEADER: usize = 3;

pub struct Sheet<'b> {
    out: &'b mut Blocks,
    most_columns: usize,
    /// Stands above the first row.
    name: Option<String>,
    /// Rows that wait until the header is known.
    waiting: Vec<Row>,
    header: Option<Header>,
    header_rows: Vec<Cells>,
}

#[derive(Debug, Default)]
pub struct Row {
    pub cells: Cells,
    /// Merged regions that begin in this row.
    pub merged: Vec<Merged>,
}

#[derive(Debug, Clone, Copy)]
pub struct Merged {
    pub first_column: usize,
    pub last_column: usize,
    /// Rows below this one that the region covers.
    pub rows_below: usize,
}

impl<'b> Sheet<'b> {
    pub fn new(name: Option<&str>, out: &'b mut Blocks, limits: &Limits) -> Self {
        Self {
            out,
            most_columns: limits.columns,
            name: name.map(str::to_owned),
            waiting: Vec::new(),
            header: None,
            header_rows: Vec::new(),
        }
    }

    /// Takes the next row that holds something.
    pub fn row(&mut self, row: Row) -> Result<(), Error> {
        if row.cells.len() > self.most_columns {
            return Err(Error::TooLarge { what: "columns".to_owned(), limit: self.most_columns as u64 });
        }
        if row.cells.is_empty() {
            return Ok(());
        }
        if let Some(name) = self.name.take() {
            self.out.push(BlockKind::Heading(1), &name, None)?;
        }
        if self.header.is_some() {
            return self.write(&row.cells);
        }
        self.waiting.push(row);
        if self.waiting.len() >= ROWS_TO_DECIDE { self.decide() } else { Ok(()) }
    }

    pub fn finish(mut self) -> Result<(), Error> {
        if self.header.is_none() { self.decide() } else { Ok(()) }
    }

    /// Finds the header among the waiting rows and writes them.
    fn decide(&mut self) -> Result<(), Error> {
        let rows = std::mem::take(&mut self.waiting);
        let mut header = Header::default();
        let mut rest = &rows[..];
        if let Some(at) = header_position(&rows) {
            for row in &rows[..at] {
                self.out.push(BlockKind::Paragraph, &Header::default().line(&row.cells), None)?;
            }
            // A region that goes down from the header means that the names go on below it.
            let deeper = rows[at].merged.iter().map(|region| region.rows_below).max().unwrap_or(0);
            let end = (at + 1 + deeper.min(DEEPEST_HEADER - 1)).min(rows.len() - 1);
            for row in &rows[at..end] {
                header.add(&spread(row));
                self.header_rows.push(row.cells.clone());
            }
            rest = &rows[end..];
        }
        self.header = Some(header);
        rest.iter().try_for_each(|row| self.write(&row.cells))
    }

    fn write(&mut self, cells: &Cells) -> Result<(), Error> {
        // Printed sheets repeat their header.
        if self.header_rows.contains(cells) {
            return Ok(());
        }
        let line = self.header.as_ref().map(|header| header.line(cells)).unwrap_or_default();
        self.out.push(BlockKind::TableRow, &line, None)
    }
}

/// The first row that names columns, has rows below it and is about as wide as they are.
fn header_position(rows: &[Row]) -> Option<usize> {
    let widest = rows.iter().map(|row| row.cells.len()).max()?;
    let first = |least: usize| {
        (0..rows.len().saturating_sub(1)).find(|at| {
            let cells = &rows[*at].cells;
            spread(&rows[*at]).len() >= least
                && (looks_like_header(cells) || stands_above(cells, &rows[at + 1].cells))
        })
    };
    // Labels and values above the table are narrower than it; some tables are wider than their header.
    let at = first((widest * 3).div_ceil(4)).or_else(|| first(widest.div_ceil(2)))?;
    (widest > 2 || !is_form(&rows[at..])).then_some(at)
}

/// Words above figures in several columns, and hardly a figure among them.
fn stands_above(names: &Cells, below: &Cells) -> bool {
    let figures = names.iter().filter(|(_, name)| is_figure(name)).count();
    let over_figures = names.iter().filter(|(column, name)| {
        let value = below.iter().find(|(below, _)| below == column);
        !is_figure(name) && value.is_some_and(|(_, value)| is_figure(value))
    });
    figures * 4 <= names.len() && over_figures.count() >= 2
}

/// Two columns are labels and values when there is one pair below, or when the values are words and figures.
fn is_form(rows: &[Row]) -> bool {
    let Some((label, _)) = rows.first().and_then(|first| first.cells.first()) else { return false };
    let below: Vec<&Row> = rows.iter().skip(1).filter(|row| row.cells != rows[0].cells).collect();
    let values = below.iter().flat_map(|row| &row.cells).filter(|(column, _)| column != label);
    let values: Vec<bool> = values.map(|(_, text)| is_figure(text)).collect();
    below.len() < 2 || (values.contains(&true) && values.contains(&false))
}

/// The cells of a header row, those merged across columns in each of them.
fn spread(row: &Row) -> Cells {
    let mut cells = Cells::new();
    for (column, text) in &row.cells {
        let region = row.merged.iter().find(|region| region.first_column == *column);
        // A region may claim to cover everything; the columns that hold something end sooner.
        let last = region.map_or(*column, |region| region.last_column.min(column.saturating_add(100)));
        cells.extend((*column..=last).map(|column| (column, text.clone())));
    }
    cells
}

#[cfg(test)]
mod tests {
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
            sheet.row(Row { cells: cells(row), merged: Vec::new() }).unwrap();
        }
        sheet.finish().unwrap();
        texts(out)
    }

    #[test]
    fn the_first_row_names_the_others() {
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
    fn merged_headers_reach_their_columns() {
        let limits = Limits::default();
        let mut out = Blocks::new(&limits);
        let mut sheet = Sheet::new(None, &mut out, &limits);
        let down = Merged { first_column: 0, last_column: 0, rows_below: 1 };
        let across = Merged { first_column: 1, last_column: 2, rows_below: 0 };
        sheet.row(Row { cells: cells(&["Partida", "Cantidad", ""]), merged: vec![down, across] }).unwrap();
        sheet.row(Row { cells: cells(&["Partida", "contrato", "ejecutada"]), merged: vec![] }).unwrap();
        sheet.row(Row { cells: cells(&["Losa", "10", "4"]), merged: vec![] }).unwrap();
        sheet.finish().unwrap();
        let line = texts(out).remove(0);
        assert_eq!(line, "Partida: Losa; Cantidad contrato: 10; Cantidad ejecutada: 4");
    }

    #[test]
    fn refuses_too_many_columns() {
        let limits = Limits { columns: 3, ..Limits::default() };
        let mut out = Blocks::new(&limits);
        let mut sheet = Sheet::new(None, &mut out, &limits);
        let row = Row { cells: cells(&["1", "2", "3", "4"]), merged: Vec::new() };
        assert!(matches!(sheet.row(row), Err(Error::TooLarge { limit: 3, .. })));
    }
}
