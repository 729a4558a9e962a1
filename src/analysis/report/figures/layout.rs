//! From figure data to shapes with places: once, for PNG, SVG and the page alike, so that what does not
//! overlap in one does not overlap in another.

mod panel;

use super::data::{FigureData, Glyph, Legend, Role};
use super::font;

/// Size of things, in the figure's own units (SVG pixels).
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Width of the figure.
    pub width: f64,
    /// Size of the text.
    pub font: f64,
    /// Height of a lane.
    pub lane: f64,
    /// Height of a plot with a value axis.
    pub plot: f64,
    /// Whether title and caption are part of the figure.
    pub framed: bool,
}

/// One column of a paper (85 mm): text comes out at 7 pt.
pub const COLUMN: Format = Format { width: 540.0, font: 16.0, lane: 30.0, plot: 150.0, framed: true };

/// A figure with all its shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Laid {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
    /// What to draw, in order.
    pub shapes: Vec<Shape>,
}

/// Something to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape {
    /// Its form and place.
    pub form: Form,
    /// Its colour.
    pub role: Role,
    /// What a reader sees who points at it; empty: nothing.
    pub title: String,
}

/// Forms, in figure units with y down.
#[derive(Clone, Debug, PartialEq)]
pub enum Form {
    /// A filled rectangle.
    Rect { x: f64, y: f64, width: f64, height: f64 },
    /// A stroke through points.
    Line { points: Vec<(f64, f64)>, width: f64, dashed: bool },
    /// A filled disc.
    Disc { x: f64, y: f64, radius: f64 },
    /// A hollow triangle that points right.
    More { x: f64, y: f64, size: f64 },
    /// One line of text on its baseline.
    Text { x: f64, y: f64, text: String, size: f64, anchor: Anchor, bold: bool },
}

/// Which part of a text stands at its x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Its start.
    Start,
    /// Its end.
    End,
}

const PAD: f64 = 10.0;

/// Places everything.
#[must_use]
pub fn lay_out(figure: &FigureData, format: Format) -> Laid {
    let mut sheet = Sheet { shapes: Vec::new(), y: if format.framed { PAD } else { 2.0 }, format };
    if format.framed {
        sheet.paragraph(&figure.title, format.font * 1.1, true, Role::Ink);
    }
    sheet.legend(&figure.legend);
    panel::lay_out_panels(&mut sheet, &figure.panels);
    if format.framed {
        sheet.y += format.font * 0.3;
        sheet.paragraph(&figure.caption, format.font * 0.8, false, Role::Muted);
    }
    Laid { width: format.width, height: (sheet.y + PAD * 0.6).ceil(), shapes: sheet.shapes }
}

struct Sheet {
    shapes: Vec<Shape>,
    y: f64,
    format: Format,
}

impl Sheet {
    fn add(&mut self, form: Form, role: Role, title: &str) {
        self.shapes.push(Shape { form, role, title: title.to_owned() });
    }

    fn text(&mut self, place: (f64, f64), text: &str, size: f64, anchor: Anchor, role: Role) {
        let form = Form::Text { x: place.0, y: place.1, text: text.to_owned(), size, anchor, bold: false };
        self.add(form, role, "");
    }

    fn left(&self) -> f64 {
        if self.format.framed { PAD } else { 1.0 }
    }

    fn right(&self) -> f64 {
        self.format.width - self.left()
    }

    fn paragraph(&mut self, text: &str, size: f64, bold: bool, role: Role) {
        for line in font::wrap(text, size, bold, self.right() - self.left()) {
            self.y += size * 1.25;
            let form =
                Form::Text { x: self.left(), y: self.y - size * 0.25, text: line, size, anchor: Anchor::Start, bold };
            self.add(form, role, "");
        }
    }

    fn legend(&mut self, legend: &[Legend]) {
        if legend.is_empty() {
            return;
        }
        let size = self.format.font * 0.85;
        let mut x = self.left();
        self.y += size * 1.5;
        for entry in legend {
            let width = size * 2.05 + font::width(entry.text, size, false);
            if x > self.left() && x + width > self.right() {
                x = self.left();
                self.y += size * 1.4;
            }
            self.glyph(entry, x, self.y - size * 0.35, size);
            self.text((x + size * 2.05, self.y), entry.text, size, Anchor::Start, Role::Ink);
            x += width + size * 1.3;
        }
        self.y += size * 0.5;
    }

    fn glyph(&mut self, entry: &Legend, x: f64, y: f64, size: f64) {
        let (middle, end) = (x + size * 0.75, x + size * 1.5);
        let line = |points: Vec<(f64, f64)>, dashed| Form::Line { points, width: 2.0, dashed };
        let form = match entry.glyph {
            Glyph::Box => Form::Rect { x: x + size * 0.2, y: y - size * 0.35, width: size * 1.1, height: size * 0.7 },
            Glyph::Dot => Form::Disc { x: middle, y, radius: size * 0.22 },
            Glyph::More => Form::More { x: middle, y, size: size * 0.35 },
            Glyph::Line => line(vec![(x, y), (end, y)], false),
            Glyph::Dashes => line(vec![(x, y), (end, y)], true),
            Glyph::Stroke => Form::Line {
                points: vec![(middle, y - size * 0.45), (middle, y + size * 0.45)],
                width: 3.0,
                dashed: false,
            },
            Glyph::Interval => Form::Line { points: vec![(x, y), (end, y)], width: 1.5, dashed: false },
        };
        self.add(form, entry.role, "");
        if entry.glyph == Glyph::Interval {
            for at in [x, end] {
                let cap = Form::Line { points: vec![(at, y - 4.0), (at, y + 4.0)], width: 1.5, dashed: false };
                self.add(cap, entry.role, "");
            }
        }
    }
}

#[cfg(test)]
mod tests;
