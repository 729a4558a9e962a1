//! Pixels to a PNG file in memory.

use png::{BitDepth, ColorType, Encoder, PixelDimensions, Unit};

/// 8-bit RGB pixels as a PNG that says it is one column (85 mm) wide; `None` if they do not fill the size.
pub(super) fn encode(pixels: &[u8], (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    let per_meter = (f64::from(width) / 0.085) as u32;
    encoder.set_pixel_dims(Some(PixelDimensions { xppu: per_meter, yppu: per_meter, unit: Unit::Meter }));
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(pixels).ok()?;
    writer.finish().ok()?;
    Some(bytes)
}
