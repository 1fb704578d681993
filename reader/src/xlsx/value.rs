//! Writes a value almost as a cell shows it: dates as ISO dates, numbers with the digits that Excel keeps and with their
//! notation.

use calamine::{Data, ExcelDateTime};
use chrono::{NaiveTime, TimeDelta, Timelike};

use schemas::text::one_line;

use super::Notation;

/// The last day that Excel can store, 31 December 9999.
const LAST_DAY: f64 = 2_958_465.0;

pub fn text(value: &Data, notation: &Notation) -> String {
    match value {
        // The error of a formula says nothing about the subject of the document.
        Data::Empty | Data::Error(_) => String::new(),
        Data::String(text) => one_line(text),
        Data::Int(number) if notation.percent => text(&Data::Float(*number as f64), notation),
        Data::Int(number) => one_line(&notation.shown(&number.to_string())),
        Data::Float(number) => {
            // A percentage has at most four decimals.
            let number = if notation.percent { (number * 1e6).round() / 1e4 } else { *number };
            one_line(&notation.shown(&number_text(number)))
        }
        Data::Bool(value) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        Data::DateTime(moment) => moment_text(moment),
        Data::DateTimeIso(text) => text.strip_suffix("T00:00:00").unwrap_or(text).replace('T', " "),
        Data::DurationIso(text) => text.clone(),
    }
}

/// Writes a number with fifteen digits; further digits are rounding errors of binary fractions.
fn number_text(number: f64) -> String {
    if !number.is_finite() {
        return String::new();
    }
    let rounded: f64 = format!("{number:.14e}").parse().unwrap_or(number);
    if rounded != 0.0 && !(1e-9..1e21).contains(&rounded.abs()) {
        format!("{rounded:e}")
    } else {
        rounded.to_string()
    }
}

fn moment_text(moment: &ExcelDateTime) -> String {
    let value = moment.as_f64();
    if !(0.0..=LAST_DAY).contains(&value) {
        return number_text(value);
    }
    if moment.is_duration() {
        let seconds = (value * 86_400.0).round() as u64;
        return format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    let half_a_second = TimeDelta::milliseconds(500);
    let Some(moment) = moment.as_datetime().and_then(|moment| moment.checked_add_signed(half_a_second))
    else {
        return number_text(value);
    };
    let time = if moment.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    let format = if value < 1.0 {
        // A value below 1 is a time without a day.
        time.to_owned()
    } else if moment.time().with_nanosecond(0) == Some(NaiveTime::MIN) {
        "%Y-%m-%d".to_owned()
    } else {
        format!("%Y-%m-%d {time}")
    };
    moment.format(&format).to_string()
}

#[cfg(test)]
mod tests;
