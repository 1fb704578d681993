//! Builds rows from cells that are read one by one.

use std::collections::{BTreeMap, HashMap};

use calamine::{Data, Dimensions};

use super::{Notation, value};
use crate::{
    Error, Limits,
    blocks::Blocks,
    sheet::{Row, Sheet},
    table::is_figure,
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
    merged: BTreeMap<usize, (u32, String)>,
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

    /// Ends the sheet. `notes` follow its rows.
    pub fn finish(mut self, notes: &[String]) -> Result<(), Error> {
        self.end_row()?;
        self.sheet.finish(notes)
    }

    fn end_row(&mut self) -> Result<(), Error> {
        if self.row.cells.is_empty() {
            return Ok(());
        }
        let now = self.now;
        let mut row = std::mem::take(&mut self.row);
        row.after_gap = self.above.is_some_and(|above| now > above.saturating_add(1));
        self.above = Some(now);
        self.merged.retain(|_, (last, _)| *last >= now);
        let mut cells: BTreeMap<usize, String> =
            self.merged.iter().map(|(column, (_, text))| (*column, text.clone())).collect();
        for (column, text) in std::mem::take(&mut row.cells) {
            if let Some(region) = self.regions.get(&(now, column as u32)) {
                row.merged.push(*region);
                if region.end.0 > now {
                    self.merged.insert(column, (region.end.0, text.clone()));
                }
            }
            cells.insert(column, text);
        }
        row.cells = cells.into_iter().collect();
        self.sheet.row(row)
    }
}
