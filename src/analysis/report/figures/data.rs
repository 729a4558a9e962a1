//! A figure as data: what is drawn, before anybody knows how large or with what.

use serde::Serialize;

/// One figure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FigureData {
    /// File name without extension.
    pub name: &'static str,
    /// One line.
    pub title: String,
    /// n, interval and method.
    pub caption: String,
    /// What the marks mean, in order.
    pub legend: Vec<Legend>,
    /// Panels from top to bottom.
    pub panels: Vec<Panel>,
}

/// One entry of the legend.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Legend {
    /// The shape that stands before the text.
    pub glyph: Glyph,
    /// Its role.
    pub role: Role,
    /// What it means.
    pub text: &'static str,
}

/// Shapes of the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Glyph {
    /// A filled box.
    Box,
    /// A dot.
    Dot,
    /// A hollow triangle that points right: "more than".
    More,
    /// A line.
    Line,
    /// A dashed line.
    Dashes,
    /// A short upright stroke.
    Stroke,
    /// A thin horizontal interval.
    Interval,
}

/// One pair of axes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Panel {
    /// Which part; with the unit of a value axis.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Vertical,
    /// A short text at the right end of each lane; empty: none.
    pub notes: Vec<String>,
    /// What is drawn, in order.
    pub marks: Vec<Mark>,
}

/// A value axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Axis {
    /// Quantity and unit.
    pub label: String,
    /// Left or lower end.
    pub low: f64,
    /// Right or upper end, larger than `low`.
    pub high: f64,
    /// Logarithmic; `low` is positive then.
    pub log: bool,
    /// Only whole numbers are ticks.
    pub whole: bool,
}

/// The vertical axis.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Vertical {
    /// A name for each lane, from top to bottom.
    Lanes(Vec<String>),
    /// Values.
    Value(Axis),
}

/// What a mark stands for; each has one colour that colour-blind readers can tell from the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Role {
    /// Text and axes.
    Ink,
    /// Less important text.
    Muted,
    /// Grid lines.
    Grid,
    /// The time in which the address is nobody's.
    Fault,
    /// A user without a service.
    Outage,
    /// The configured truth.
    Truth,
    /// A median.
    Median,
    /// The worst of all.
    Worst,
    /// A node that owns the address, a session that is up.
    Up,
    /// A plain quantity.
    Plain,
}

/// One thing that is drawn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Mark {
    /// A shaded part of the horizontal axis.
    Band { from: f64, to: f64, title: String },
    /// An upright line; its label stands above the plot.
    Rule { x: f64, role: Role, dashed: bool, label: String, title: String },
    /// A bar in a lane: the `slot.0`-th of `slot.1` beneath each other; an open end points on.
    Bar { lane: usize, slot: (usize, usize), from: f64, to: f64, open: bool, role: Role, title: String },
    /// A dot in a lane; `more` draws it as "larger than this".
    Dot { lane: usize, slot: (usize, usize), x: f64, more: bool, role: Role, title: String },
    /// An upright stroke over the height of a lane.
    Stroke { lane: usize, x: f64, role: Role, title: String },
    /// An interval in a lane; without an upper end it points on.
    Interval { lane: usize, low: f64, high: Option<f64>, role: Role, title: String },
    /// A line through values; it breaks where a value is absent.
    Line { points: Vec<(f64, Option<f64>)>, role: Role, dashed: bool, title: String },
}

impl Mark {
    /// What it stands for.
    #[must_use]
    pub fn role(&self) -> Role {
        match self {
            Mark::Band { .. } => Role::Fault,
            Mark::Rule { role, .. }
            | Mark::Bar { role, .. }
            | Mark::Dot { role, .. }
            | Mark::Stroke { role, .. }
            | Mark::Interval { role, .. }
            | Mark::Line { role, .. } => *role,
        }
    }
}

impl FigureData {
    /// Whether there is anything to see: a mark other than faults and truths.
    #[must_use]
    pub fn has_data(&self) -> bool {
        let is_data = |mark: &Mark| !matches!(mark, Mark::Band { .. } | Mark::Rule { .. });
        self.panels.iter().any(|panel| panel.marks.iter().any(is_data))
    }
}

impl Axis {
    /// A linear axis.
    #[must_use]
    pub fn linear(label: impl Into<String>, low: f64, high: f64) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        Axis { label: label.into(), low, high, log: false, whole: false }
    }

    /// Where `value` lies between the ends, 0 to 1; what lies outside is clamped.
    #[must_use]
    pub fn place(&self, value: f64) -> f64 {
        let scale = |value: f64| if self.log { value.max(f64::MIN_POSITIVE).log10() } else { value };
        ((scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))).clamp(0.0, 1.0)
    }

    /// At most `most` round values from low to high.
    #[must_use]
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        let most = most.max(2);
        if self.log { self.log_ticks(most) } else { self.linear_ticks(most) }
    }

    fn linear_ticks(&self, most: usize) -> Vec<f64> {
        let raw = (self.high - self.low) / (most - 1) as f64;
        let decade = 10_f64.powf(raw.log10().floor());
        let mut step = [1.0, 2.0, 5.0, 10.0]
            .map(|part| part * decade)
            .into_iter()
            .find(|step| *step >= raw * 0.999)
            .unwrap_or(raw);
        if self.whole {
            step = step.max(1.0);
        }
        let first = (self.low / step - 1e-9).ceil() as i64;
        (first..)
            .map(|k| k as f64 * step)
            .take_while(|value| *value <= self.high + step * 1e-6)
            .take(most + 1)
            .collect()
    }

    fn log_ticks(&self, most: usize) -> Vec<f64> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let with = |parts: &[f64]| -> Vec<f64> {
            let all = decades.clone().flat_map(|decade| parts.iter().map(move |part| part * 10_f64.powi(decade)));
            all.filter(|value| (self.low * 0.999..=self.high * 1.001).contains(value)).collect()
        };
        let choices = [with(&[1.0, 2.0, 5.0]), with(&[1.0, 3.0]), with(&[1.0])];
        let [.., coarse] = &choices;
        choices.iter().find(|ticks| ticks.len() <= most).unwrap_or(coarse).clone()
    }
}

/// A tick's label: no needless zeros.
#[must_use]
pub fn tick_label(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.replace('-', "−") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside_the_axis() {
        assert_eq!(Axis::linear("s", 0.0, 48.0).ticks(6), [0.0, 10.0, 20.0, 30.0, 40.0]);
        assert_eq!(Axis::linear("MOS", 1.0, 4.5).ticks(5), [1.0, 2.0, 3.0, 4.0]);
        let log = Axis { log: true, ..Axis::linear("s", 0.5, 40.0) };
        assert_eq!(log.ticks(6), [0.5, 1.0, 2.0, 5.0, 10.0, 20.0]);
        assert_eq!(log.ticks(3), [1.0, 10.0]);
        let whole = Axis { whole: true, ..Axis::linear("calls", 0.0, 2.0) };
        assert_eq!(whole.ticks(9), [0.0, 1.0, 2.0]);
        assert_eq!((tick_label(0.5), tick_label(10.0), tick_label(-5.0)), ("0.5".into(), "10".into(), "−5".into()));
    }

    #[test]
    fn a_log_axis_places_equal_ratios_at_equal_distances() {
        let log = Axis { log: true, ..Axis::linear("s", 0.1, 10.0) };
        assert!((log.place(1.0) - 0.5).abs() < 1e-12);
        assert_eq!((log.place(0.0), log.place(99.0)), (0.0, 1.0));
    }
}
