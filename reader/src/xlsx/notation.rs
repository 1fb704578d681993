//! What the format of a cell shows around its number: a percent sign, leading zeros, a currency or a unit.

use std::str::Chars;

use schemas::text::is_longer;

/// Maximum number of characters of a format; Excel allows no more.
const LONGEST_CODE: usize = 255;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notation {
    before: String,
    after: String,
    /// The least number of digits before the decimal point.
    digits: usize,
    /// Whether the cell shows a hundred times its number.
    pub percent: bool,
}

impl Notation {
    /// Reads a format code, such as `"UF "#,##0.00;[Red]-"UF "#,##0.00`: a section for positive numbers and one for
    /// negative numbers. If the two differ in more than the sign, numbers are written without a notation.
    pub fn read(code: &str) -> Self {
        if is_longer(code, LONGEST_CODE) {
            return Self::default();
        }
        let mut code = code.chars();
        let Some(positive) = section(&mut code) else { return Self::default() };
        match section(&mut code) {
            Some(negative) if negative == Self::default() || negative.unsigned() == positive.unsigned() => {
                positive
            }
            _ => Self::default(),
        }
    }

    /// Writes the digits of a number as the cell shows them.
    pub fn shown(&self, number: &str) -> String {
        if number.is_empty() {
            return String::new();
        }
        let digits = number.trim_start_matches('-');
        let whole = digits.find('.').unwrap_or(digits.len());
        let zeros = "0".repeat(self.digits.saturating_sub(whole));
        let shown = format!("{}{zeros}{digits}{}", self.before, self.after);
        // The notation is that of positive numbers, which may have a plus sign.
        if digits.len() < number.len() { format!("-{}", shown.replace('+', "")) } else { shown }
    }

    fn unsigned(&self) -> (String, String, bool) {
        let unsigned = |text: &str| text.replace(['-', '+', '(', ')', ' '], "");
        (unsigned(&self.before), unsigned(&self.after), self.percent)
    }
}

/// Reads a section of a format code; an empty section and one without digits are the default. Returns None for a
/// notation that is not read: conditions, fractions, exponents, text between the digits, numbers in thousands.
fn section(code: &mut Chars<'_>) -> Option<Notation> {
    let mut notation = Notation::default();
    // The last place of a digit or separator.
    let mut last = None;
    let mut is_whole = true;
    while let Some(c) = code.next() {
        let text: String = match c {
            ';' => break,
            // The last six are the rest of the word General.
            '0' | '#' | '?' | '.' | ',' | 'G' | 'e' | 'n' | 'r' | 'a' | 'l' => {
                if !notation.after.is_empty() {
                    return None;
                }
                is_whole &= c != '.';
                notation.digits += usize::from(is_whole && c == '0');
                last = Some(c);
                continue;
            }
            // A space as wide as the next character, and the next character as often as it fits.
            '_' | '*' => {
                code.next();
                continue;
            }
            '"' => code.by_ref().take_while(|c| *c != '"').collect(),
            '\\' => code.next()?.to_string(),
            '[' => {
                let inside: String = code.by_ref().take_while(|c| *c != ']').collect();
                match inside.strip_prefix('$') {
                    // A currency, with a number that names its country: `[$€-40A]`.
                    Some(currency) => currency.split('-').next().unwrap_or_default().to_owned(),
                    None if inside.starts_with(['<', '>', '=']) => return None,
                    // A colour.
                    None => continue,
                }
            }
            '%' => {
                notation.percent = true;
                c.to_string()
            }
            ' ' | '\u{a0}' | '$' | '€' | '£' | '¥' | '-' | '+' | '(' | ')' | '/' | ':' => c.to_string(),
            _ => return None,
        };
        let side = if last.is_none() { &mut notation.before } else { &mut notation.after };
        side.push_str(&text);
    }
    match last {
        None => Some(Notation::default()),
        // A comma after the last digit divides the number by a thousand.
        Some(',') => None,
        Some(_) => Some(notation),
    }
}

#[cfg(test)]
mod tests;
