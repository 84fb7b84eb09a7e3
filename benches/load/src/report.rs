//! What a reader gets to see: medians, tables and a plot.

use std::fmt::Write;

/// The middle one, and the outer two.
#[derive(Clone, Copy)]
pub struct Spread {
    pub median: f64,
    pub least: f64,
    pub most: f64,
}

impl Spread {
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if !values.len().is_multiple_of(2) {
            values[middle]
        } else {
            (values[middle - 1] + values[middle]) / 2.0
        };
        Some(Self { median, least, most })
    }

    /// A ratio, as `0.97 (0.95-0.99)`.
    pub fn ratio(self) -> String {
        let decimals = if self.median < 0.1 { 3 } else { 2 };
        format!("{0:.3$} ({1:.3$}-{2:.3$})", self.median, self.least, self.most, decimals)
    }
}

/// A number in three digits.
pub fn short(value: f64) -> String {
    let (value, unit) = match value {
        1e6.. => (value / 1e6, " M"),
        1e3.. => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let decimals = usize::from(value < 100.0) + usize::from(value < 10.0);
    format!("{value:.decimals$}{unit}")
}

/// One line of a Markdown table.
pub fn row(cells: impl IntoIterator<Item = String>) -> String {
    cells.into_iter().fold("|".into(), |row, cell| row + " " + &cell + " |")
}

/// A server's points: messages in flight, and microseconds of processor time for a thousand deliveries.
pub struct Curve {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 440.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 6] = ["#888888", "#c2410c", "#2563eb", "#15803d", "#9333ea", "#0891b2"];

/// Draws the curves, both axes logarithmic.
pub fn plot(curves: &[Curve]) -> String {
    let all = || curves.iter().flat_map(|curve| &curve.points);
    let bound = |value: fn(&(f64, f64)) -> f64| {
        let (least, most) =
            all().map(value).fold((f64::MAX, 0.0_f64), |(a, b), v| (a.min(v), b.max(v)));
        (least.log10(), most.log10())
    };
    let ((x0, x1), (y0, y1)) = (bound(|point| point.0), bound(|point| point.1));
    let (y0, y1) = (y0.floor(), y1.ceil());
    let x = |value: f64| LEFT + (value.log10() - x0) / (x1 - x0) * (WIDTH - LEFT - RIGHT);
    let y =
        |value: f64| HEIGHT - BOTTOM - (value.log10() - y0) / (y1 - y0) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"13\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\">microseconds of processor time per 1,000 deliveries of 64 B to 1,000 clients (less is better)</text>\n"
    );
    let mut line = |text: String| {
        svg += &text;
        svg += "\n";
    };
    for power in y0 as i32..=y1 as i32 {
        let value = 10_f64.powi(power);
        line(format!(
            "<path d=\"M{LEFT} {0:.1}H{1}\" stroke=\"#dddddd\"/><text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{value}</text>",
            y(value),
            WIDTH - RIGHT,
            LEFT - 8.0,
            y(value) + 4.0
        ));
    }
    if let Some(longest) = curves.iter().max_by_key(|curve| curve.points.len()) {
        for (value, _) in &longest.points {
            line(format!(
                "<text x=\"{:.1}\" y=\"{}\" text-anchor=\"middle\">{value}</text>",
                x(*value),
                HEIGHT - BOTTOM + 20.0
            ));
        }
    }
    line(format!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">messages in flight</text>",
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 8.0
    ));
    // Names stand at the ends of their curves, pushed apart where they would overlap.
    let mut labels: Vec<(f64, usize)> = Vec::new();
    for (index, curve) in curves.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let mut path = String::new();
        for (step, (in_flight, cost)) in curve.points.iter().enumerate() {
            let _ = write!(
                path,
                "{}{:.1} {:.1}",
                if step == 0 { "M" } else { "L" },
                x(*in_flight),
                y(*cost)
            );
        }
        line(format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"));
        if let Some((_, cost)) = curve.points.last() {
            labels.push((y(*cost), index));
        }
    }
    labels.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut above = 0.0;
    for (at, index) in labels {
        let at = at.max(above + 15.0);
        above = at;
        let (colour, name) = (COLOURS[index % COLOURS.len()], curves[index].name);
        line(format!(
            "<text x=\"{}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>",
            WIDTH - RIGHT + 8.0,
            at + 4.0
        ));
    }
    svg + "</svg>\n"
}
