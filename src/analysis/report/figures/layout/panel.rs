//! Panels: axes, grid, marks.

use super::super::data::{Axis, Mark, Panel, Role, Vertical, tick_label};
use super::super::font;
use super::{Anchor, Form, Sheet};

/// Where a panel's plot lies.
struct Plot<'a> {
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    panel: &'a Panel,
    lane: f64,
}

pub(super) fn lay_out_panels(sheet: &mut Sheet, panels: &[Panel]) {
    let gutter = panels.iter().map(|panel| gutter(panel, sheet.format.font)).fold(0.0, f64::max);
    let notes = panels.iter().map(|panel| notes_width(panel, sheet.format.font)).fold(0.0, f64::max);
    let (left, right) = (sheet.left() + gutter, sheet.right() - notes.max(sheet.format.font * 0.6));
    for (number, panel) in panels.iter().enumerate() {
        let same_below = panels.get(number + 1).is_some_and(|next| next.x.label == panel.x.label);
        lay_out_panel(sheet, panel, (left, right), !same_below);
    }
}

fn lay_out_panel(sheet: &mut Sheet, panel: &Panel, (left, right): (f64, f64), with_label: bool) {
    let size = sheet.format.font;
    sheet.y += size * 0.5;
    if !panel.title.is_empty() {
        sheet.paragraph(&panel.title, size * 0.95, true, Role::Ink);
    }
    let label_rows = rule_labels(sheet, panel, (left, right));
    // A tick's label at the upper end of a value axis reaches over it.
    let overhang = if matches!(panel.y, Vertical::Value(_)) { 0.55 } else { 0.25 };
    sheet.y += label_rows + size * overhang;
    let height = match &panel.y {
        Vertical::Lanes(lanes) => lanes.len() as f64 * sheet.format.lane,
        Vertical::Value(_) => sheet.format.plot,
    };
    let plot = Plot { left, right, top: sheet.y, bottom: sheet.y + height, panel, lane: sheet.format.lane };
    bands(sheet, &plot);
    vertical_axis(sheet, &plot);
    horizontal_axis(sheet, &plot, with_label);
    for mark in &panel.marks {
        mark_shapes(sheet, &plot, mark);
    }
}

impl Plot<'_> {
    fn x(&self, value: f64) -> f64 {
        self.left + self.panel.x.place(value) * (self.right - self.left)
    }

    fn lane_top(&self, lane: usize) -> f64 {
        self.top + lane as f64 * self.lane
    }

    /// The middle of slot `slot.0` of `slot.1`, and the height of a slot.
    fn slot(&self, lane: usize, slot: (usize, usize)) -> (f64, f64) {
        let room = self.lane * 0.76;
        let height = room / slot.1.max(1) as f64;
        (self.lane_top(lane) + self.lane * 0.12 + (slot.0 as f64 + 0.5) * height, height)
    }
}

fn gutter(panel: &Panel, size: f64) -> f64 {
    let widest =
        |labels: &[String]| labels.iter().map(|label| font::width(label, size * 0.9, false)).fold(0.0, f64::max);
    match &panel.y {
        Vertical::Lanes(lanes) => widest(lanes) + size * 0.7,
        Vertical::Value(axis) => {
            let labels: Vec<String> = axis.ticks(5).into_iter().map(tick_label).collect();
            widest(&labels) + size * 0.7
        }
    }
}

fn notes_width(panel: &Panel, size: f64) -> f64 {
    let widest = panel.notes.iter().map(|note| font::width(note, size * 0.85, false)).fold(0.0, f64::max);
    if widest > 0.0 { widest + size * 0.7 } else { 0.0 }
}

/// Labels of rules stand above the plot, in a second row where they would touch. Returns the rows' height.
fn rule_labels(sheet: &mut Sheet, panel: &Panel, (left, right): (f64, f64)) -> f64 {
    let size = sheet.format.font * 0.85;
    let mut rows: Vec<f64> = Vec::new();
    let base = sheet.y;
    for mark in &panel.marks {
        let Mark::Rule { x, role, label, .. } = mark else { continue };
        if label.is_empty() {
            continue;
        }
        let width = font::width(label, size, false);
        let at = left + panel.x.place(*x) * (right - left);
        let start = (at - width / 2.0).min(sheet.right() - width).max(sheet.left());
        let row = rows.iter().position(|end| *end + size * 0.6 < start).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(0.0);
        }
        rows[row] = start + width;
        let role = if *role == Role::Truth { Role::Ink } else { *role };
        sheet.text((start, base + size * 1.3 * (row as f64 + 1.0) - size * 0.2), label, size, Anchor::Start, role);
    }
    rows.len() as f64 * size * 1.3
}

fn bands(sheet: &mut Sheet, plot: &Plot) {
    for mark in &plot.panel.marks {
        if let Mark::Band { from, to, title } = mark {
            let (x, end) = (plot.x(*from), plot.x(*to));
            let form = Form::Rect { x, y: plot.top, width: (end - x).max(1.0), height: plot.bottom - plot.top };
            sheet.add(form, Role::Fault, title);
        }
    }
}

fn vertical_axis(sheet: &mut Sheet, plot: &Plot) {
    let size = sheet.format.font * 0.9;
    let rule = |y: f64| Form::Line { points: vec![(plot.left, y), (plot.right, y)], width: 1.0, dashed: false };
    match &plot.panel.y {
        Vertical::Lanes(lanes) => {
            for (number, lane) in lanes.iter().enumerate() {
                let middle = plot.lane_top(number) + plot.lane / 2.0;
                sheet.add(rule(plot.lane_top(number)), Role::Grid, "");
                sheet.text((plot.left - size * 0.5, middle + size * 0.35), lane, size, Anchor::End, Role::Ink);
                if let Some(note) = plot.panel.notes.get(number) {
                    let note_size = sheet.format.font * 0.85;
                    sheet.text((sheet.right(), middle + size * 0.35), note, note_size, Anchor::End, Role::Ink);
                }
            }
        }
        Vertical::Value(axis) => {
            for tick in axis.ticks(5) {
                let y = plot.bottom - axis.place(tick) * (plot.bottom - plot.top);
                sheet.add(rule(y), Role::Grid, "");
                sheet.text((plot.left - size * 0.5, y + size * 0.35), &tick_label(tick), size, Anchor::End, Role::Ink);
            }
        }
    }
}

fn horizontal_axis(sheet: &mut Sheet, plot: &Plot, with_label: bool) {
    let size = sheet.format.font * 0.9;
    let axis = &plot.panel.x;
    let base =
        Form::Line { points: vec![(plot.left, plot.bottom), (plot.right, plot.bottom)], width: 1.5, dashed: false };
    sheet.add(base, Role::Ink, "");
    let baseline = plot.bottom + size * 1.3;
    let mut free = f64::MIN;
    for tick in axis.ticks(most_ticks(axis, plot.right - plot.left, size)) {
        let x = plot.x(tick);
        let form =
            Form::Line { points: vec![(x, plot.bottom), (x, plot.bottom + size * 0.3)], width: 1.5, dashed: false };
        sheet.add(form, Role::Ink, "");
        let label = tick_label(tick);
        let width = font::width(&label, size, false);
        let start = (x - width / 2.0).min(sheet.right() - width);
        if start > free {
            sheet.text((start, baseline), &label, size, Anchor::Start, Role::Ink);
            free = start + width + size * 0.4;
        }
    }
    sheet.y = baseline + size * 0.2;
    if with_label {
        sheet.y += size * 1.25;
        let width = font::width(&axis.label, size, false);
        let start = ((plot.left + plot.right - width) / 2.0).min(sheet.right() - width).max(sheet.left());
        sheet.text((start, sheet.y - size * 0.2), &axis.label, size, Anchor::Start, Role::Ink);
    }
}

fn most_ticks(axis: &Axis, width: f64, size: f64) -> usize {
    let widest = [axis.low, axis.high]
        .map(|end| font::width(&tick_label(end.round()), size, false))
        .into_iter()
        .fold(size, f64::max);
    ((width / (widest + size * 1.6)) as usize).clamp(2, 12)
}

fn mark_shapes(sheet: &mut Sheet, plot: &Plot, mark: &Mark) {
    match mark {
        Mark::Band { .. } => {}
        Mark::Rule { x, role, dashed, title, .. } => {
            let at = plot.x(*x);
            sheet.add(
                Form::Line { points: vec![(at, plot.top), (at, plot.bottom)], width: 1.5, dashed: *dashed },
                *role,
                title,
            );
        }
        Mark::Bar { lane, slot, from, to, open, role, title } => {
            let (middle, height) = plot.slot(*lane, *slot);
            bar(sheet, (plot.x(*from), plot.x(*to)), (middle, height), *open, (*role, title));
        }
        Mark::Dot { lane, slot, x, more, role, title } => {
            let (x, y, radius) = (plot.x(*x), plot.slot(*lane, *slot).0, sheet.format.font * 0.17);
            let form = if *more { Form::More { x, y, size: radius * 1.9 } } else { Form::Disc { x, y, radius } };
            sheet.add(form, *role, title);
        }
        Mark::Stroke { lane, x, role, title } => {
            let (top, x) = (plot.lane_top(*lane), plot.x(*x));
            let points = vec![(x, top + plot.lane * 0.1), (x, top + plot.lane * 0.9)];
            sheet.add(Form::Line { points, width: 3.0, dashed: false }, *role, title);
        }
        Mark::Interval { lane, low, high, role, title } => interval(sheet, plot, *lane, (*low, *high), (*role, title)),
        Mark::Line { points, role, dashed, title } => line(sheet, plot, points, (*role, *dashed, title)),
    }
}

fn bar(
    sheet: &mut Sheet,
    (from, to): (f64, f64),
    (middle, height): (f64, f64),
    open: bool,
    (role, title): (Role, &str),
) {
    // Neighbours stay apart as long as there is room for a gap.
    let thick = if height > 4.0 { height - 1.0 } else { height * 0.8 };
    let form = Form::Rect { x: from, y: middle - thick / 2.0, width: (to - from).max(1.0), height: thick };
    sheet.add(form, role, title);
    if open {
        let size = (sheet.format.font * 0.3).min(thick.max(4.0));
        sheet.add(Form::More { x: to - size, y: middle, size }, Role::Ink, title);
    }
}

fn interval(sheet: &mut Sheet, plot: &Plot, lane: usize, (low, high): (f64, Option<f64>), (role, title): (Role, &str)) {
    let y = plot.lane_top(lane) + plot.lane * 0.5;
    let (from, to) = (plot.x(low), high.map_or(plot.right, |high| plot.x(high)));
    let stroke = |points| Form::Line { points, width: 2.0, dashed: false };
    sheet.add(stroke(vec![(from, y), (to, y)]), role, title);
    for end in [Some(from), high.map(|_| to)].into_iter().flatten() {
        sheet.add(stroke(vec![(end, y - plot.lane * 0.2), (end, y + plot.lane * 0.2)]), role, title);
    }
}

fn line(sheet: &mut Sheet, plot: &Plot, points: &[(f64, Option<f64>)], (role, dashed, title): (Role, bool, &str)) {
    let Vertical::Value(axis) = &plot.panel.y else { return };
    let place = |x: f64, y: f64| (plot.x(x), plot.bottom - axis.place(y) * (plot.bottom - plot.top));
    for part in points.split(|(_, y)| y.is_none()) {
        let part: Vec<(f64, f64)> = part.iter().filter_map(|(x, y)| y.map(|y| place(*x, y))).collect();
        match part[..] {
            [] => {}
            [(x, y)] => sheet.add(Form::Disc { x, y, radius: sheet.format.font * 0.17 }, role, title),
            _ => sheet.add(Form::Line { points: part, width: 2.0, dashed }, role, title),
        }
    }
}
