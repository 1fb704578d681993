//! Which page the text is on, as far as the file says: Word notes where its pages broke when it last laid them out.

use super::super::{Error, Limits};

#[derive(Debug)]
pub struct Pages {
    now: Position,
    /// Whether the file names any break at all.
    any: bool,
    limit: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    page: u32,
    /// After a break that the author made, before any text: a break noted here is the same one.
    fresh: bool,
}

impl Pages {
    pub fn new(limits: &Limits) -> Self {
        Self { now: Position { page: 1, fresh: false }, any: false, limit: limits.pages }
    }

    pub fn page(&self) -> u32 {
        self.now.page
    }

    /// The number of pages, when the file says anything about them.
    pub fn count(&self) -> Option<u32> {
        self.any.then_some(self.now.page)
    }

    pub fn text(&mut self) {
        self.now.fresh = false;
    }

    /// The author's break.
    pub fn made(&mut self) -> Result<(), Error> {
        self.turn()?;
        self.now.fresh = true;
        Ok(())
    }

    /// Word's note that a page broke here.
    pub fn noted(&mut self) -> Result<(), Error> {
        self.any = true;
        if std::mem::take(&mut self.now.fresh) { Ok(()) } else { self.turn() }
    }

    /// Where a row begins: each of its cells does, so that one break noted in all of them counts once.
    pub fn position(&self) -> Position {
        self.now
    }

    pub fn go_to(&mut self, position: Position) {
        self.now = position;
    }

    fn turn(&mut self) -> Result<(), Error> {
        self.any = true;
        self.now.page += 1;
        Error::if_over("pages", self.now.page, self.limit)
    }
}
