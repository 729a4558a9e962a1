use super::*;
use crate::analysis::report::figures::{every_lane, plan};
use crate::analysis::report::fixture;

/// The box of a text: left, right, top, bottom.
fn extent(shape: &Shape) -> Option<(f64, f64, f64, f64, &str)> {
    let Form::Text { x, y, text, size, anchor, bold } = &shape.form else { return None };
    let width = font::width(text, *size, *bold);
    let left = match anchor {
        Anchor::Start => *x,
        Anchor::End => x - width,
    };
    Some((left, left + width, y - size * 0.75, y + size * 0.22, text))
}

fn assert_legible(laid: &Laid) {
    let texts: Vec<_> = laid.shapes.iter().filter_map(extent).collect();
    for (number, a) in texts.iter().enumerate() {
        assert!(a.0 >= -0.5 && a.1 <= laid.width + 0.5 && a.2 >= -0.5 && a.3 <= laid.height + 0.5, "cut off: {a:?}");
        for b in &texts[number + 1..] {
            let apart = a.1 <= b.0 || b.1 <= a.0 || a.3 <= b.2 || b.3 <= a.2;
            assert!(apart, "{a:?} lies on {b:?}");
        }
    }
}

#[test]
fn no_text_lies_on_another_and_none_is_cut_off() {
    for trials in [1, 6] {
        let mut report = fixture::quickstart(trials);
        for figure in plan(&report) {
            assert_legible(&lay_out(&figure, COLUMN));
        }
        assert_legible(&lay_out(&every_lane(&report.trials[0].measured), Format { lane: 18.0, font: 12.0, ..COLUMN }));
        // Faults half a second apart, and long names.
        for trial in &mut report.trials {
            let first = trial.measured.faults[0].command_start_ns;
            trial.measured.faults[1].command_start_ns = first + crate::units::Span::from_millis(500);
            trial.measured.faults[1].node = "charlie-in-the-second-data-centre".into();
        }
        for figure in plan(&report) {
            assert_legible(&lay_out(&figure, COLUMN));
        }
    }
}

#[test]
fn a_broken_line_stays_broken() {
    use crate::analysis::report::figures::data::{Axis, Mark, Panel, Vertical};
    let points = vec![(0.0, Some(1.0)), (1.0, Some(2.0)), (2.0, None), (3.0, Some(2.0)), (4.0, Some(1.0))];
    let mark = Mark::Line { points, role: Role::Median, dashed: false, title: String::new() };
    let y = Vertical::Value(Axis::linear("y", 0.0, 3.0));
    let panel = Panel { title: String::new(), x: Axis::linear("x", 0.0, 4.0), y, notes: vec![], marks: vec![mark] };
    let figure =
        FigureData { name: "t", title: "t".into(), caption: String::new(), legend: vec![], panels: vec![panel] };
    let lines = lay_out(&figure, COLUMN).shapes.into_iter().filter(|shape| shape.role == Role::Median).count();
    assert_eq!(lines, 2);
}
