//! Draws curves as an SVG file.

use std::ops::Range;

use anyhow::{Context as _, Result};
use plotters::{
    coord::ranged1d::{AsRangedCoord, ValueFormatter},
    prelude::*,
};

use crate::figures::range;

pub struct Curve {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

/// A plot whose vertical axis is logarithmic.
pub struct Plot {
    pub title: &'static str,
    /// What the axes show.
    pub axes: [&'static str; 2],
    /// Whether the horizontal axis is logarithmic too.
    pub logarithmic: bool,
    pub curves: Vec<Curve>,
}

const SIZE: (u32, u32) = (720, 440);
const COLOURS: [RGBColor; 5] = [
    RGBColor(0x1b, 0x6c, 0xa8),
    RGBColor(0xd1, 0x49, 0x5b),
    RGBColor(0x2e, 0x93, 0x3c),
    RGBColor(0x8d, 0x6a, 0x9f),
    RGBColor(0xe0, 0x8e, 0x0b),
];

impl Plot {
    /// Returns `None` if there is nothing to draw.
    pub fn svg(&self) -> Result<Option<String>> {
        let points =
            || self.curves.iter().flat_map(|curve| &curve.points).filter(|(x, y)| x.is_finite() && *y > 0.0);
        if points().next().is_none() {
            return Ok(None);
        }
        let (x, y) = (range(points().map(|at| at.0)), range(points().map(|at| at.1)));
        // Each axis ends a little beside the outermost points, so that an axis with a single point has a length too. There
        // is room above the curves for their names.
        let y = (y.0 / 1.3)..(y.1 * 4.0);
        let mut svg = String::new();
        let drawn = if self.logarithmic {
            self.draw(&mut svg, ((x.0 / 1.1)..(x.1 * 1.1)).log_scale(), y)
        } else {
            self.draw(&mut svg, x.0..(x.1 + (x.1 - x.0).max(1.0) * 0.03), y)
        };
        drawn.with_context(|| format!("drawing {}", self.title))?;
        Ok(Some(svg))
    }

    fn draw<X>(&self, svg: &mut String, x: X, y: Range<f64>) -> Result<()>
    where
        X: AsRangedCoord<Value = f64>,
        X::CoordDescType: ValueFormatter<f64>,
    {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .caption(self.title, ("sans-serif", 20))
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y.log_scale())?;
        let number = |value: &f64| number(*value);
        let [across, up] = self.axes;
        chart
            .configure_mesh()
            .x_desc(across)
            .y_desc(up)
            .x_label_formatter(&number)
            .y_label_formatter(&number)
            .label_style(("sans-serif", 15))
            .light_line_style(TRANSPARENT)
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(COLOURS.iter().cycle()) {
            let points = curve.points.iter().copied().filter(|(_, y)| *y > 0.0);
            chart
                .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(2))?
                .label(curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .label_font(("sans-serif", 15))
            .draw()?;
        Ok(area.present()?)
    }
}

fn number(value: f64) -> String {
    if value >= 1_000_000.0 {
        format!("{} M", value / 1_000_000.0)
    } else if value >= 1_000.0 {
        format!("{} k", value / 1_000.0)
    } else {
        format!("{}", (value * 1_000.0).round() / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot(logarithmic: bool, points: Vec<(f64, f64)>) -> Plot {
        let curves = vec![Curve { name: "search, p50", points }];
        Plot { title: "Time of a search", axes: ["passages", "milliseconds"], logarithmic, curves }
    }

    #[test]
    fn every_curve_is_drawn_and_named() {
        for logarithmic in [true, false] {
            let svg = plot(logarithmic, vec![(10_000.0, 1.0), (100_000.0, 10.0)]).svg().unwrap().unwrap();
            for expected in ["<polyline", "search, p50", "milliseconds", "#1B6CA8"] {
                assert!(svg.contains(expected), "{expected} is not in {svg}");
            }
        }
    }

    #[test]
    fn one_point_and_no_point_are_no_failure() {
        assert!(plot(true, vec![(8.0, 20.0)]).svg().unwrap().is_some());
        assert!(plot(true, vec![(8.0, f64::NAN)]).svg().unwrap().is_none());
        assert!(plot(false, Vec::new()).svg().unwrap().is_none());
    }
}
