//! The numbers that Word shows before paragraphs. They are not in the text of the file, but people cite them.

use std::collections::{HashMap, HashSet};

use crate::{
    Error, Limits,
    xml::{self, Xml, attribute},
};

const LEVELS: usize = 9;
const LONGEST_LABEL: usize = 40;

#[derive(Debug, Clone, Default)]
pub struct Numbering {
    lists: HashMap<String, List>,
    instances: HashMap<String, Instance>,
    /// The last number of each level of each list; None before its first paragraph.
    counters: HashMap<String, Counters>,
    started: HashSet<String>,
}

type Levels = [Level; LEVELS];
type Counters = [Option<u32>; LEVELS];

#[derive(Debug, Clone, Default)]
struct List {
    levels: Levels,
    /// The list style that has these levels; mostly none.
    defines: String,
    /// The list style whose levels this list has instead of its own; mostly none.
    follows: String,
}

#[derive(Debug, Clone, Default)]
struct Level {
    start: Option<u32>,
    format: String,
    /// The pattern of the label, such as `%1.%2)`; the numbers replace `%1` and `%2`.
    text: String,
    /// Whether all numbers of the label are decimal, whatever their own formats are.
    is_legal: bool,
    /// The numbers begin again below a paragraph of this level, counted from 1, or of one above it; never if it is 0. If it is
    /// missing, they begin again below every paragraph of a level above their own.
    restarts_below: Option<usize>,
    /// The style whose paragraphs are on this level.
    style: String,
}

#[derive(Debug, Clone, Default)]
struct Instance {
    list: String,
    /// The first number of each level whose numbers start again in this instance of the list.
    restarts: Counters,
}

impl Numbering {
    pub fn read(part: &str, limits: &Limits) -> Result<Self, Error> {
        let mut numbering = Self::default();
        // The list that defines each list style.
        let mut defining = HashMap::new();
        Xml::new(part, limits).each(|element, reader| {
            let id = |name| attribute(element, name).unwrap_or_default();
            match xml::name(element) {
                "abstractNum" => {
                    let (id, list) = (id("abstractNumId"), read_list(reader)?);
                    defining.insert(list.defines.clone(), id.clone());
                    numbering.lists.insert(id, list);
                }
                "num" => {
                    numbering.instances.insert(id("numId"), read_instance(reader)?);
                }
                _ => {}
            }
            Ok(())
        })?;
        defining.remove("");
        for instance in numbering.instances.values_mut() {
            let followed = numbering.lists.get(&instance.list).and_then(|list| defining.get(&list.follows));
            if let Some(id) = followed {
                instance.list = id.clone();
            }
        }
        Ok(numbering)
    }

    /// Returns the level that paragraphs of this style have in the list of an instance.
    pub fn level_of_style(&self, instance: &str, style: &str) -> Option<usize> {
        let list = self.lists.get(&self.instances.get(instance)?.list)?;
        list.levels.iter().position(|level| !level.style.is_empty() && level.style == style)
    }

    /// Counts a paragraph and returns its label; None for a bullet.
    pub fn next(&mut self, instance_id: &str, level: usize) -> Option<String> {
        let instance = self.instances.get(instance_id)?;
        let levels = &self.lists.get(&instance.list)?.levels;
        let at = level.min(LEVELS - 1);
        let first = |level: usize| instance.restarts[level].or(levels[level].start).unwrap_or(1);
        let counters = self.counters.entry(instance.list.clone()).or_default();
        if self.started.insert(instance_id.to_owned()) {
            for (counter, restart) in counters.iter_mut().zip(instance.restarts) {
                *counter = counter.filter(|_| restart.is_none());
            }
        }
        counters[at] = Some(counters[at].map_or_else(|| first(at), |number| number.saturating_add(1)));
        for (above, counter) in counters[..at].iter_mut().enumerate() {
            counter.get_or_insert(first(above));
        }
        for (below, counter) in counters.iter_mut().enumerate().skip(at + 1) {
            if at < levels[below].restarts_below.unwrap_or(below) {
                *counter = None;
            }
        }
        label(levels, at, counters)
    }
}

fn label(levels: &Levels, at: usize, counters: &Counters) -> Option<String> {
    let level = &levels[at];
    if matches!(level.format.as_str(), "bullet" | "none" | "") {
        return None;
    }
    let mut label = String::new();
    let mut characters = level.text.chars();
    while let Some(c) = characters.next() {
        if c != '%' {
            label.push(c);
            continue;
        }
        let place = characters.next().and_then(|digit| digit.to_digit(10)).unwrap_or(0) as usize;
        if (1..=LEVELS).contains(&place) {
            let format = if level.is_legal { "decimal" } else { levels[place - 1].format.as_str() };
            label.push_str(&number(format, counters[place - 1].unwrap_or(0)));
        }
    }
    let label: String = label.trim().chars().take(LONGEST_LABEL).collect();
    Some(label).filter(|label| !label.is_empty())
}

fn number(format: &str, number: u32) -> String {
    let letters = || {
        let index = number.checked_sub(1)?;
        let letter = char::from(b'a' + u8::try_from(index % 26).ok()?);
        // The letter after z is aa, then bb.
        let repeated = index / 26 + 1;
        (repeated <= 3).then(|| letter.to_string().repeat(repeated as usize))
    };
    match format {
        "lowerLetter" => letters().unwrap_or_else(|| number.to_string()),
        "upperLetter" => letters().map_or_else(|| number.to_string(), |text| text.to_uppercase()),
        "lowerRoman" => roman(number).to_lowercase(),
        "upperRoman" => roman(number),
        "decimalZero" => format!("{number:02}"),
        _ => number.to_string(),
    }
}

fn roman(number: u32) -> String {
    const VALUES: [u32; 13] = [1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1];
    const SIGNS: [&str; 13] = ["M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"];
    if !(1..4000).contains(&number) {
        return number.to_string();
    }
    let mut rest = number;
    let mut text = String::new();
    for (value, sign) in VALUES.into_iter().zip(SIGNS) {
        text.push_str(&sign.repeat((rest / value) as usize));
        rest %= value;
    }
    text
}

fn read_list(reader: &mut Xml<'_>) -> Result<List, Error> {
    let mut list = List::default();
    let mut at: Option<usize> = None;
    reader.properties(&[], |name, element| {
        let value = || xml::value(element);
        let level = at.and_then(|at| list.levels.get_mut(at));
        match (name, level) {
            ("lvl", _) => at = level_number(element),
            ("styleLink", _) => list.defines = value(),
            ("numStyleLink", _) => list.follows = value(),
            ("start", Some(level)) => level.start = value().parse().ok(),
            ("numFmt", Some(level)) => level.format = value(),
            ("lvlText", Some(level)) => level.text = value(),
            ("isLgl", Some(level)) => level.is_legal = xml::is_on(element),
            ("lvlRestart", Some(level)) => level.restarts_below = value().parse().ok(),
            ("pStyle", Some(level)) => level.style = value(),
            _ => {}
        }
    })?;
    Ok(list)
}

fn read_instance(reader: &mut Xml<'_>) -> Result<Instance, Error> {
    let mut instance = Instance::default();
    let mut at = None;
    reader.properties(&[], |name, element| match name {
        "abstractNumId" => instance.list = xml::value(element),
        "lvlOverride" => at = level_number(element),
        "startOverride" => {
            if let Some(restart) = at.and_then(|at| instance.restarts.get_mut(at)) {
                *restart = xml::value(element).parse().ok();
            }
        }
        _ => {}
    })?;
    Ok(instance)
}

fn level_number(element: &quick_xml::events::BytesStart<'_>) -> Option<usize> {
    let level = attribute(element, "ilvl")?.parse().ok()?;
    (level < LEVELS).then_some(level)
}

#[cfg(test)]
mod tests;
