//! The text of RTF, in which Outlook stores a body if it has no other.

use std::iter::Peekable;

use encoding_rs::{Encoding, WINDOWS_1252};

use super::{Error, Limits};

/// Maximum number of letters of a control word and of digits of its number.
const LONGEST_WORD: usize = 32;

pub fn text(rtf: impl Iterator<Item = u8>, limits: &Limits) -> Result<String, Error> {
    let mut reader = Reader {
        rtf: rtf.peekable(),
        group: Group { is_dropped: false, replacements: 1 },
        outside: Vec::new(),
        encoding: WINDOWS_1252,
        bytes: Vec::new(),
        units: Vec::new(),
        text: String::new(),
        to_skip: 0,
    };
    while let Some(byte) = reader.rtf.next() {
        reader.byte(byte, limits)?;
        let length = reader.text.len() + reader.bytes.len() + reader.units.len();
        Error::if_over("bytes of text", length, limits.text_bytes)?;
    }
    reader.flush();
    Ok(reader.text)
}

#[derive(Clone, Copy)]
struct Group {
    is_dropped: bool,
    /// The number of characters that follow a `\u` for programs that do not know it.
    replacements: usize,
}

struct Reader<I: Iterator<Item = u8>> {
    rtf: Peekable<I>,
    group: Group,
    /// The groups around the current one.
    outside: Vec<Group>,
    encoding: &'static Encoding,
    /// Text that is not decoded yet: bytes in the code page, or units of UTF-16.
    bytes: Vec<u8>,
    units: Vec<u16>,
    text: String,
    /// The number of characters that replace the last `\u`.
    to_skip: usize,
}

impl<I: Iterator<Item = u8>> Reader<I> {
    fn byte(&mut self, byte: u8, limits: &Limits) -> Result<(), Error> {
        match byte {
            b'{' => {
                self.to_skip = 0;
                self.outside.push(self.group);
                Error::if_over("nesting", self.outside.len(), limits.depth)?;
            }
            b'}' => {
                self.to_skip = 0;
                self.group = self.outside.pop().unwrap_or(self.group);
            }
            b'\\' => self.control(),
            b'\r' | b'\n' | 0 => {}
            byte => self.add(byte),
        }
        Ok(())
    }

    fn control(&mut self) {
        match self.rtf.next() {
            Some(letter) if letter.is_ascii_alphabetic() => self.word(letter),
            Some(b'\'') => {
                let digits = [self.rtf.next(), self.rtf.next()].map(|digit| char::from(digit?).to_digit(16));
                if let [Some(high), Some(low)] = digits {
                    self.add((high * 16 + low) as u8);
                }
            }
            Some(b'*') => self.group.is_dropped = true,
            Some(b'\r' | b'\n') => self.write("\n"),
            Some(b'~') => self.write(" "),
            Some(b'_') => self.write("-"),
            Some(byte @ (b'\\' | b'{' | b'}')) => self.add(byte),
            _ => {}
        }
    }

    fn word(&mut self, first: u8) {
        let mut word = String::from(char::from(first));
        while let Some(letter) = self.rtf.next_if(u8::is_ascii_alphabetic) {
            if word.len() < LONGEST_WORD {
                word.push(char::from(letter));
            }
        }
        let mut number = String::new();
        number.extend(self.rtf.next_if_eq(&b'-').map(char::from));
        while let Some(digit) = self.rtf.next_if(u8::is_ascii_digit) {
            if number.len() < LONGEST_WORD {
                number.push(char::from(digit));
            }
        }
        self.rtf.next_if_eq(&b' ');
        let number: Option<i64> = number.parse().ok();
        let count = number.and_then(|number| usize::try_from(number).ok());
        match word.as_str() {
            "u" => {
                if let Some(number) = number.filter(|_| !self.group.is_dropped) {
                    self.decode_bytes();
                    // Larger units are written as negative numbers.
                    self.units.push(number as u16);
                }
                self.to_skip = self.group.replacements;
            }
            "uc" => self.group.replacements = count.unwrap_or(1),
            "bin" => self.rtf.by_ref().take(count.unwrap_or(0)).for_each(drop),
            "ansicpg" => {
                let named = number.and_then(|number| codepage::to_encoding(u16::try_from(number).ok()?));
                self.encoding = named.unwrap_or(WINDOWS_1252);
            }
            "par" | "line" | "sect" | "page" | "row" => self.write("\n"),
            "tab" | "cell" => self.write(" "),
            "emdash" => self.write("—"),
            "endash" => self.write("–"),
            "lquote" => self.write("‘"),
            "rquote" => self.write("’"),
            "ldblquote" => self.write("“"),
            "rdblquote" => self.write("”"),
            "bullet" => self.write("•"),
            // Groups that contain no text of the body. Groups that begin with `\*` are left out too.
            "colortbl" | "filetbl" | "fontemb" | "fonttbl" | "footer" | "header" | "info" | "nonshppict"
            | "pict" | "stylesheet" => self.group.is_dropped = true,
            _ => {}
        }
    }

    /// Adds a byte of text in the code page.
    fn add(&mut self, byte: u8) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
        } else if !self.group.is_dropped {
            self.decode_units();
            self.bytes.push(byte);
        }
    }

    fn write(&mut self, text: &str) {
        if self.to_skip > 0 {
            self.to_skip -= 1;
        } else if !self.group.is_dropped {
            self.flush();
            self.text.push_str(text);
        }
    }

    fn flush(&mut self) {
        self.decode_bytes();
        self.decode_units();
    }

    fn decode_bytes(&mut self) {
        self.text.push_str(&self.encoding.decode_without_bom_handling(&self.bytes).0);
        self.bytes.clear();
    }

    fn decode_units(&mut self) {
        self.text.push_str(&String::from_utf16_lossy(&self.units));
        self.units.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rtf: &str) -> String {
        text(rtf.bytes(), &Limits::default()).unwrap()
    }

    #[test]
    fn the_text_is_read_without_its_format() {
        let rtf = "{\\rtf1\\ansi\\ansicpg1252{\\fonttbl{\\f0 Arial;}}{\\*\\generator Riched20;}{\\info{\\title no}}\r\n\
            \\pard Se vac\\'eda el {\\b martes}.\\par\r\n\\u8364?\\u-10179?\\u-8704?5\\tab a\\{b\\}\\~c{\\pict\\bin3 }}}ff}\\line\r\n\
            {\\field{\\*\\fldinst{HYPERLINK \"http://no\"}}{\\fldrslt ver}}{\\uc2\\u243xyn}}";
        assert_eq!(of(rtf), "Se vacía el martes.\n€😀5 a{b} c\nverón");
        let japanese = "{\\rtf1\\ansicpg932 \\'93\\'fa\\'96\\'7b}";
        assert_eq!(of(japanese), "日本");
    }

    #[test]
    fn damaged_and_hostile_rtf_is_bounded() {
        let limits = Limits { text_bytes: 100, ..Limits::default() };
        assert!(matches!(text("{".repeat(1_000).bytes(), &limits), Err(Error::TooLarge { .. })));
        assert!(matches!(text("x".repeat(1_000).bytes(), &limits), Err(Error::TooLarge { .. })));
        for rtf in
            ["}}}}", "\\", "\\'", "\\'z", "\\u", "\\bin99999999999999999999", "\\bin-1", "\\uc-5\\u1", "\\-1"]
        {
            assert!(text(rtf.bytes(), &limits).is_ok(), "{rtf}");
        }
    }
}
