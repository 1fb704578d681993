//! Builds rows from cells that are read one by one.

use std::collections::{BTreeMap, HashMap};

use calamine::{Data, Dimensions};

use super::{
    super::{
        Error, Limits,
        blocks::Blocks,
        sheet::{Merged, Row, Sheet},
        table::is_figure,
    },
    Notation, value,
};

pub struct Rows<'b> {
    sheet: Sheet<'b>,
    /// The number of cells of all sheets so far.
    count: &'b mut usize,
    most_cells: usize,
    now: u32,
    /// The last row that has text.
    above: Option<u32>,
    /// The row that is being read; its amounts are numbers such as `UF 12`.
    row: Row,
    /// Merged regions by their first cell, which contains the text.
    regions: HashMap<(u32, u32), Dimensions>,
    /// The text of cells that are merged with cells below, by column, with the last row of the region.
    merged: BTreeMap<u32, (u32, String)>,
}

impl<'b> Rows<'b> {
    pub fn new(
        name: &str,
        regions: &[Dimensions],
        blocks: &'b mut Blocks,
        count: &'b mut usize,
        limits: &Limits,
    ) -> Self {
        Self {
            sheet: Sheet::new(Some(name), blocks, limits),
            count,
            most_cells: limits.cells,
            now: 0,
            above: None,
            row: Row::default(),
            regions: regions.iter().map(|region| (region.start, *region)).collect(),
            merged: BTreeMap::new(),
        }
    }

    pub fn cell(
        &mut self,
        (row, column): (u32, u32),
        value: &Data,
        notation: &Notation,
    ) -> Result<(), Error> {
        // Borders and colours make cells that are in the file but empty.
        if *value == Data::Empty {
            return Ok(());
        }
        *self.count += 1;
        Error::if_over("cells", *self.count, self.most_cells)?;
        if row != self.now {
            self.end_row()?;
            self.now = row;
        }
        let text = value::text(value, notation);
        if !text.is_empty() {
            if matches!(value, Data::Int(_) | Data::Float(_)) && !is_figure(&text) {
                self.row.amounts.push(column as usize);
            }
            self.row.cells.push((column as usize, text));
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<(), Error> {
        self.end_row()?;
        self.sheet.finish()
    }

    fn end_row(&mut self) -> Result<(), Error> {
        if self.row.cells.is_empty() {
            return Ok(());
        }
        let now = self.now;
        self.merged.retain(|_, (last, _)| *last >= now);
        let mut row = std::mem::take(&mut self.row);
        row.after_gap = self.above.is_some_and(|above| now > above.saturating_add(1));
        self.above = Some(now);
        row.cells.sort_by_key(|(column, _)| *column);
        let mut from_above = Vec::new();
        for (column, (_, text)) in &self.merged {
            let column = *column as usize;
            if row.cells.binary_search_by_key(&column, |(column, _)| *column).is_err() {
                from_above.push((column, text.clone()));
            }
        }
        for (column, text) in &row.cells {
            let at = *column as u32;
            let Some(region) = self.regions.get(&(now, at)) else { continue };
            let rows_below = region.end.0.saturating_sub(now);
            if rows_below > 0 {
                self.merged.insert(at, (region.end.0, text.clone()));
            }
            row.merged.push(Merged {
                first_column: *column,
                last_column: region.end.1 as usize,
                rows_below: rows_below as usize,
            });
        }
        row.cells.extend(from_above);
        row.cells.sort_by_key(|(column, _)| *column);
        self.sheet.row(row)
    }
}
