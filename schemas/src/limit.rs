//! The notation of rate limits in settings and keys.

use std::{fmt, str::FromStr, time::Duration};

/// At most `count` requests in `seconds`: a token bucket of that size, which refills evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rule {
    pub count: u32,
    pub seconds: u32,
}

/// A rate limit, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(Option<Rule>);

impl Limit {
    pub fn rule(self) -> Option<Rule> {
        self.0
    }
}

impl Rule {
    /// The time after which one more request is allowed.
    pub fn interval(self) -> Duration {
        Duration::from_secs(u64::from(self.seconds)) / self.count
    }

    pub fn in_spanish(self) -> String {
        format!("{} por {}", self.count, unit(self.seconds, ["segundo", "minuto", "hora", "día"]))
    }

    pub fn in_english(self) -> String {
        format!("{} per {}", self.count, unit(self.seconds, ENGLISH))
    }
}

/// The largest count. With more, the interval would be finer than the microseconds of Redis' clock.
const MAX_COUNT: u32 = 1_000_000;

const UNITS: [u32; 4] = [1, 60, 3_600, 86_400];
const ENGLISH: [&str; 4] = ["second", "minute", "hour", "day"];

fn unit(seconds: u32, names: [&'static str; 4]) -> &'static str {
    UNITS.iter().position(|unit| *unit == seconds).map_or(names[0], |position| names[position])
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "{text:?} is not a limit such as 100/minute, 5/second, 10/hour, 50/day or off (from 1 to {MAX_COUNT})"
            )
        };
        let text = text.trim();
        if text.eq_ignore_ascii_case("off") {
            return Ok(Self(None));
        }
        let (count, unit) = text.split_once('/').ok_or_else(bad)?;
        let count: u32 = count.trim().parse().map_err(|_| bad())?;
        let unit = unit.trim().to_ascii_lowercase();
        let seconds = match unit.trim_end_matches('s') {
            "" if unit == "s" => 1,
            "sec" | "second" => 1,
            "m" | "min" | "minute" => 60,
            "h" | "hour" => 3_600,
            "d" | "day" => 86_400,
            _ => return Err(bad()),
        };
        if (1..=MAX_COUNT).contains(&count) { Ok(Self(Some(Rule { count, seconds }))) } else { Err(bad()) }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("off"),
            Some(rule) => write!(f, "{}/{}", rule.count, unit(rule.seconds, ENGLISH)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_as_people_write_them() {
        for (text, written) in [
            ("100/minute", "100/minute"),
            (" 5 / s", "5/second"),
            ("10/hours", "10/hour"),
            ("3/min", "3/minute"),
            ("OFF", "off"),
        ] {
            assert_eq!(text.parse::<Limit>().unwrap().to_string(), written);
        }
        for bad in ["", "100", "100/", "0/minute", "-1/minute", "x/minute", "1/fortnight", "9999999/second"] {
            assert!(bad.parse::<Limit>().unwrap_err().contains("100/minute"), "{bad}");
        }
    }
}
