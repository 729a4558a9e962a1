//! The one font of the figures, and how wide its text is.

use std::sync::Once;

use plotters::style::{FontDesc, FontFamily, FontStyle, register_font};

static REGISTER: Once = Once::new();

/// Ascent plus descent of DejaVu Sans in ems: the rasteriser takes that height for the size, SVG takes the em.
pub(super) const HEIGHT_PER_EM: f64 = 1.164;

/// DejaVu Sans at `size` units an em.
pub(super) fn font(size: f64, bold: bool) -> FontDesc<'static> {
    REGISTER.call_once(|| {
        // A second registration would fail and change nothing; there is none.
        let _ = register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular());
        let _ = register_font("sans-serif", FontStyle::Bold, dejavu::sans::bold());
    });
    let style = if bold { FontStyle::Bold } else { FontStyle::Normal };
    FontDesc::new(FontFamily::SansSerif, size, style)
}

/// Width of `text` at `size` units an em. DejaVu Sans is wide: a viewer's own font needs no more.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    // Measured large, for the answer comes in whole units.
    let measured = font(100.0 * HEIGHT_PER_EM, bold).box_size(text).map(|(width, _)| f64::from(width));
    measured.unwrap_or(text.chars().count() as f64 * 65.0) * size / 100.0
}

/// Lines no wider than `room`; a longer word stands alone.
pub(super) fn wrap(text: &str, size: f64, bold: bool, room: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, bold) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}
