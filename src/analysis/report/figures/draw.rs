//! Shapes onto a plotters backend: PNG at twice the size, and SVG.

use plotters::backend::{BitMapBackend, DrawingBackend, SVGBackend};
use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle, TextStyle, WHITE};

use super::data::Role;
use super::font;
use super::layout::{Anchor, Form, Laid, Shape};

/// Dots of the PNG for each unit.
const PNG_SCALE: f64 = 2.0;

type Area<DB> = DrawingArea<DB, Shift>;
type Drawn<DB> = Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;

/// The figure as an SVG document; `None` if the backend refuses it.
///
/// The backend divides sizes by 1.24 to get the em, and centres on half the height of an x.
pub(super) fn svg(laid: &Laid) -> Option<Vec<u8>> {
    let mut text = String::new();
    let size = (laid.width as u32, laid.height as u32);
    draw(
        &SVGBackend::with_string(&mut text, size).into_drawing_area(),
        laid,
        Pen { scale: 1.0, em: 1.24, middle: 0.27 },
    )
    .ok()?;
    Some(text.into_bytes())
}

/// The figure as a PNG at twice the size; `None` if the backend refuses it.
pub(super) fn png(laid: &Laid) -> Option<Vec<u8>> {
    let size = ((laid.width * PNG_SCALE) as u32, (laid.height * PNG_SCALE) as u32);
    let mut pixels = vec![0; size.0 as usize * size.1 as usize * 3];
    let pen = Pen { scale: PNG_SCALE, em: font::HEIGHT_PER_EM, middle: 0.2 };
    draw(&BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area(), laid, pen).ok()?;
    super::png::encode(&pixels, size)
}

#[derive(Clone, Copy)]
struct Pen {
    scale: f64,
    /// Size that the backend wants for one em.
    em: f64,
    /// How far above the baseline the backend puts what it calls the middle of a text, in ems.
    middle: f64,
}

impl Pen {
    fn at(self, x: f64, y: f64) -> (i32, i32) {
        ((x * self.scale).round() as i32, (y * self.scale).round() as i32)
    }

    fn stroke(self, width: f64) -> u32 {
        ((width * self.scale).round() as u32).max(1)
    }
}

fn draw<DB: DrawingBackend>(area: &Area<DB>, laid: &Laid, pen: Pen) -> Drawn<DB> {
    area.fill(&WHITE)?;
    for shape in &laid.shapes {
        draw_shape(area, shape, pen)?;
    }
    area.present()
}

fn draw_shape<DB: DrawingBackend>(area: &Area<DB>, shape: &Shape, pen: Pen) -> Drawn<DB> {
    let ink = colour(shape.role);
    match &shape.form {
        Form::Rect { x, y, width, height } => {
            area.draw(&Rectangle::new([pen.at(*x, *y), pen.at(x + width, y + height)], ink.filled()))
        }
        Form::Line { points, width, dashed } => {
            let style = ink.stroke_width(pen.stroke(*width));
            let paths = if *dashed { dashes(points) } else { vec![points.clone()] };
            paths.into_iter().try_for_each(|path| area.draw(&path_of(&path, style, pen)))
        }
        Form::Disc { x, y, radius } => area.draw(&Circle::new(pen.at(*x, *y), pen.stroke(*radius), ink.filled())),
        Form::More { x, y, size } => draw_more(area, (*x, *y), *size, ink, pen),
        Form::Text { x, y, text, size, anchor, bold } => {
            let horizontal = match anchor {
                Anchor::Start => HPos::Left,
                Anchor::End => HPos::Right,
            };
            let style = TextStyle::from(font::font(size * pen.scale * pen.em, *bold))
                .color(&ink)
                .pos(Pos::new(horizontal, VPos::Center));
            area.draw(&Text::new(text.clone(), pen.at(*x, y - size * pen.middle), style))
        }
    }
}

/// White with a rim, so that "more than" differs from a value also without colour.
fn draw_more<DB: DrawingBackend>(area: &Area<DB>, (x, y): (f64, f64), size: f64, ink: RGBColor, pen: Pen) -> Drawn<DB> {
    let corners = [(x - size * 0.7, y - size), (x + size, y), (x - size * 0.7, y + size)];
    let inner: Vec<(i32, i32)> = corners.iter().map(|(x, y)| pen.at(*x, *y)).collect();
    area.draw(&Polygon::new(inner, WHITE.filled()))?;
    let [a, b, c] = corners;
    area.draw(&path_of(&[a, b, c, a], ink.stroke_width(pen.stroke(1.5)), pen))
}

fn path_of(points: &[(f64, f64)], style: ShapeStyle, pen: Pen) -> PathElement<(i32, i32)> {
    PathElement::new(points.iter().map(|(x, y)| pen.at(*x, *y)).collect::<Vec<_>>(), style)
}

/// Dashes of 6 units with gaps of 4 along each straight piece.
fn dashes(points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    let mut all = Vec::new();
    for pair in points.windows(2) {
        let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
        let length = (x1 - x0).hypot(y1 - y0);
        let along = |distance: f64| {
            let part = (distance / length.max(1e-9)).min(1.0);
            (x0 + (x1 - x0) * part, y0 + (y1 - y0) * part)
        };
        all.extend(
            (0..(length / 10.0).ceil() as usize).map(|k| vec![along(k as f64 * 10.0), along(k as f64 * 10.0 + 6.0)]),
        );
    }
    all
}

/// The palette of Okabe and Ito (2008), which colour-blind readers can tell apart, on white.
fn colour(role: Role) -> RGBColor {
    match role {
        Role::Ink | Role::Truth => RGBColor(0x1a, 0x1a, 0x1a),
        Role::Muted => RGBColor(0x5f, 0x5f, 0x5f),
        Role::Grid => RGBColor(0xe2, 0xe2, 0xe2),
        Role::Fault => RGBColor(0xec, 0xec, 0xee),
        Role::Outage => RGBColor(0xd5, 0x5e, 0x00),
        Role::Median => RGBColor(0x00, 0x72, 0xb2),
        Role::Worst => RGBColor(0xcc, 0x79, 0xa7),
        Role::Up => RGBColor(0x00, 0x9e, 0x73),
        Role::Plain => RGBColor(0x56, 0xb4, 0xe9),
    }
}
