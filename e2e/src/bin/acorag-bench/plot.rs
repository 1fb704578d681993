//! Draws curves as an SVG file; both axes are logarithmic, with a line at each power of ten.

use std::fmt::Write as _;

pub struct Curve {
    pub name: &'static str,
    /// Each point is a number of passages and a time in milliseconds.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 400.0;
const MARGIN: f64 = 50.0;
/// The exponents of ten at the ends of the axes.
const PASSAGES: (f64, f64) = (4.0, 6.5);
const MILLISECONDS: (f64, f64) = (0.0, 2.5);
const COLOURS: [&str; 4] = ["#1b6ca8", "#d1495b", "#2e933c", "#8d6a9f"];

pub fn svg(curves: &[Curve]) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
    );
    for (power, name) in [(4, "10,000 passages"), (5, "100,000"), (6, "1,000,000")] {
        let x = x(10_f64.powi(power));
        let (top, bottom) = (MARGIN, HEIGHT - MARGIN);
        let _ = writeln!(
            svg,
            "<path d=\"M{x:.1} {top}V{bottom}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{name}</text>",
            bottom + 18.0
        );
    }
    for (power, name) in [(0, "1 ms"), (1, "10 ms"), (2, "100 ms")] {
        let y = y(10_f64.powi(power));
        let right = WIDTH - MARGIN;
        let _ = writeln!(
            svg,
            "<path d=\"M{MARGIN} {y:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{y:.1}\" text-anchor=\"end\">{name}</text>",
            MARGIN - 6.0
        );
    }
    for (at, (curve, colour)) in curves.iter().zip(COLOURS).enumerate() {
        let points: Vec<String> = curve
            .points
            .iter()
            .map(|(passages, time)| format!("{:.1},{:.1}", x(*passages), y(*time)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        let _ = writeln!(
            svg,
            "<text x=\"{}\" y=\"{}\" fill=\"{colour}\">{}</text>",
            MARGIN + 10.0,
            MARGIN - 30.0 + 15.0 * at as f64,
            curve.name
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn x(passages: f64) -> f64 {
    scale(passages, PASSAGES, MARGIN, WIDTH - MARGIN)
}

fn y(milliseconds: f64) -> f64 {
    scale(milliseconds, MILLISECONDS, HEIGHT - MARGIN, MARGIN)
}

fn scale(value: f64, (low, high): (f64, f64), from: f64, to: f64) -> f64 {
    let share = ((value.max(f64::MIN_POSITIVE).log10() - low) / (high - low)).clamp(0.0, 1.0);
    from + share * (to - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_time_is_lower_by_one_line() {
        let svg = svg(&[Curve { name: "search", points: vec![(10_000.0, 1.0), (100_000.0, 10.0)] }]);
        assert!(svg.contains("50.0,350.0 266.0,230.0"), "{svg}");
    }
}
