//! The page of each text, if the file says it: Word records the page breaks of its last layout.

use crate::{Error, Limits};

pub struct Pages {
    /// The position so far. Every cell of a table starts again where its row begins, so that a page break that is
    /// recorded in every cell counts once.
    pub now: Position,
    /// Whether the file has any recorded page break. Those of the author alone do not tell where other pages end.
    any: bool,
    limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub page: u32,
    /// True between a page break that the author made and the next text. A page break that Word recorded
    /// there is the same page break.
    pub fresh: bool,
}

impl Pages {
    pub fn new(limits: &Limits) -> Self {
        Self { now: Position { page: 1, fresh: false }, any: false, limit: limits.pages }
    }

    /// The number of pages, if the file has recorded page breaks.
    pub fn count(&self) -> Option<u32> {
        self.any.then_some(self.now.page)
    }

    /// Handles a page break that the author made.
    pub fn made(&mut self) -> Result<(), Error> {
        self.turn()?;
        self.now.fresh = true;
        Ok(())
    }

    /// Handles a page break that Word recorded.
    pub fn noted(&mut self) -> Result<(), Error> {
        self.any = true;
        if std::mem::take(&mut self.now.fresh) { Ok(()) } else { self.turn() }
    }

    fn turn(&mut self) -> Result<(), Error> {
        self.now.page += 1;
        Error::if_over("pages", self.now.page, self.limit)
    }
}
