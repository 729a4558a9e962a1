//! Laid-out figures as inline SVG: colours are CSS classes, so that they follow the page's theme.

use maud::{Markup, html};

use crate::analysis::report::figures::data::{FigureData, Role};
use crate::analysis::report::figures::layout::{Anchor, Form, Format, Shape, lay_out};

/// The figure without its title and caption, which the page sets.
pub(super) fn inline(figure: &FigureData, format: Format) -> Markup {
    let laid = lay_out(figure, format);
    let view = format!("0 0 {} {}", laid.width, laid.height);
    html! {
        svg viewBox=(view) role="img" aria-label=(figure.title) style={ "max-width:" (laid.width) "px" } {
            @for shape in &laid.shapes { (element(shape)) }
        }
    }
}

fn element(shape: &Shape) -> Markup {
    let class = class(shape.role);
    let tip = html! { @if !shape.title.is_empty() { title { (shape.title) } } };
    match &shape.form {
        Form::Rect { x, y, width, height } => html! {
            rect class={ "f " (class) } x=(n(*x)) y=(n(*y)) width=(n(*width)) height=(n(*height)) { (tip) }
        },
        Form::Line { points, width, dashed } => html! {
            polyline class={ "l " (class) } points=(path(points)) stroke-width=(n(*width))
                stroke-dasharray=[dashed.then_some("6 4")] { (tip) }
        },
        Form::Disc { x, y, radius } => html! {
            circle class={ "f " (class) } cx=(n(*x)) cy=(n(*y)) r=(n(*radius)) { (tip) }
        },
        Form::More { x, y, size } => {
            let corners = [(x - size * 0.7, y - size), (x + size, *y), (x - size * 0.7, y + size)];
            html! { polygon class={ "m " (class) } points=(path(&corners)) { (tip) } }
        }
        Form::Text { x, y, text, size, anchor, bold } => html! {
            text class={ "f " (class) } x=(n(*x)) y=(n(*y)) font-size=(n(*size))
                text-anchor=[(*anchor == Anchor::End).then_some("end")] font-weight=[bold.then_some("600")] { (text) }
        },
    }
}

fn path(points: &[(f64, f64)]) -> String {
    points.iter().map(|(x, y)| format!("{},{}", n(*x), n(*y))).collect::<Vec<_>>().join(" ")
}

/// Tenths are finer than a screen.
fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

fn class(role: Role) -> &'static str {
    match role {
        Role::Ink => "ink",
        Role::Muted => "muted",
        Role::Grid => "grid",
        Role::Fault => "fault",
        Role::Outage => "outage",
        Role::Truth => "truth",
        Role::Median => "median",
        Role::Worst => "worst",
        Role::Up => "up",
        Role::Plain => "plain",
    }
}
