//! Finds the end of a JSON value without parsing its content.

/// A value that is partly read: its depth, and whether the position is inside a string.
#[derive(Default)]
pub(super) struct Value {
    pub json: Vec<u8>,
    pub depth: usize,
    pub in_string: bool,
    escaped: bool,
    started: bool,
    pub complete: bool,
    pub too_large: bool,
}

impl Value {
    /// Consumes bytes up to the end of the value and returns their number. Drops the bytes if the value is too large.
    pub fn feed(&mut self, bytes: &[u8], limit: usize) -> usize {
        let mut taken = 0;
        for byte in bytes {
            // A delimiter ends a number or a word that has begun.
            let ends_bare = matches!(byte, b',' | b']' | b'}') || byte.is_ascii_whitespace();
            if self.started && self.depth == 0 && !self.in_string && ends_bare {
                self.complete = true;
                break;
            }
            taken += 1;
            self.step(*byte);
            if self.complete {
                break;
            }
        }
        if self.json.len() + taken > limit {
            self.too_large = true;
            self.json.clear();
        } else if !self.too_large {
            self.json.extend_from_slice(&bytes[..taken]);
        }
        taken
    }

    fn step(&mut self, byte: u8) {
        self.started = true;
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = self.in_string,
            b'"' => self.in_string = !self.in_string,
            _ if self.in_string => {}
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        let may_end = matches!(byte, b'"' | b'}' | b']');
        self.complete = may_end && self.depth == 0 && !self.in_string;
    }
}
