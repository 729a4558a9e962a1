//! The moving picture that is encoded: a textured ground that pans, grain as a camera has it, and a frame counter.

/// A picture of 4:2:0, limited range (ITU-R BT.601).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Planes {
    pub(super) y: Vec<u8>,
    pub(super) u: Vec<u8>,
    pub(super) v: Vec<u8>,
}

/// Grain in steps of luma to both sides.
const GRAIN: i32 = 3;
/// Digits of the counter.
const DIGITS: u32 = 4;
/// Which of the seven segments a digit lights: top, upper left and right, middle, lower left and right, bottom.
const SEGMENTS: [[bool; 7]; 10] = [
    [true, true, true, false, true, true, true],
    [false, false, true, false, false, true, false],
    [true, false, true, true, true, false, true],
    [true, false, true, true, false, true, true],
    [false, true, true, true, false, true, false],
    [true, true, false, true, false, true, true],
    [true, true, false, true, true, true, true],
    [true, false, true, false, false, true, false],
    [true; 7],
    [true, true, true, true, false, true, true],
];
const BLACK: u8 = 16;
const WHITE: u8 = 235;

/// Picture `number` of the pattern; the same always.
pub(super) fn picture((width, height): (u32, u32), number: u32) -> Planes {
    let digit = Digit::of(height);
    let pixels = (0..height).flat_map(|row| (0..width).map(move |column| (column, row)));
    let y = pixels.map(|(column, row)| digit.luma(number, column, row).unwrap_or_else(|| ground(column, row, number)));
    let chroma = |seed: u32| {
        let places = (0..height / 2).flat_map(|row| (0..width / 2).map(move |column| (2 * column, 2 * row)));
        let value = |(column, row): (u32, u32)| 64 + smooth(column + 2 * number, row + number, 64, seed) / 2;
        places.map(|place| value(place).clamp(0, 255) as u8).collect()
    };
    Planes { y: y.collect(), u: chroma(3), v: chroma(4) }
}

/// The ground moves by two columns and one row a picture; the grain is new in each.
fn ground(column: u32, row: u32, number: u32) -> u8 {
    let (x, y) = (column + 2 * number, row + number);
    let texture = smooth(x, y, 48, 1) * 5 / 8 + smooth(x, y, 8, 2) / 4;
    let grain = (mixed(column, row, number.wrapping_add(77)) % (2 * GRAIN as u32 + 1)) as i32 - GRAIN;
    (i32::from(BLACK) + texture * 219 / 256 + grain).clamp(i32::from(BLACK), i32::from(WHITE)) as u8
}

/// Values of a grid of `cell` pixels with straight lines between them, 0 to 255.
fn smooth(x: u32, y: u32, cell: u32, seed: u32) -> i32 {
    let (column, row, size) = (x / cell, y / cell, cell as i32);
    let (right, down) = ((x % cell) as i32, (y % cell) as i32);
    let value = |column: u32, row: u32| (mixed(column, row, seed) & 255) as i32;
    let along = |row: u32| value(column, row) * (size - right) + value(column + 1, row) * right;
    (along(row) * (size - down) + along(row + 1) * down) / (size * size)
}

/// Three numbers well mixed (the finalizer of MurmurHash3).
fn mixed(a: u32, b: u32, c: u32) -> u32 {
    let mut value = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca77) ^ c.wrapping_mul(0xc2b2_ae3d);
    value = (value ^ value >> 16).wrapping_mul(0x85eb_ca6b);
    value = (value ^ value >> 13).wrapping_mul(0xc2b2_ae35);
    value ^ value >> 16
}

/// Where the digits of the counter stand: in a black field at the upper left, as strokes of `stroke` pixels.
#[derive(Clone, Copy, Debug)]
struct Digit {
    stroke: u32,
}

impl Digit {
    /// A fifth of the height, at least so much that a coarse quantizer leaves it legible.
    fn of(height: u32) -> Digit {
        Digit { stroke: (height / 50).max(4) }
    }

    /// Width of a digit with the gap before it.
    fn pitch(self) -> u32 {
        6 * self.stroke
    }

    /// The counter's luma; `None` beside it.
    fn luma(self, number: u32, column: u32, row: u32) -> Option<u8> {
        let (place, stroke) = (column / self.pitch(), self.stroke);
        if place >= DIGITS || row >= 11 * stroke {
            return None;
        }
        let (x, y) = ((column % self.pitch()) / stroke, row / stroke);
        let figure = number / 10_u32.pow(DIGITS - 1 - place) % 10;
        let lit = segment(x, y).is_some_and(|segment| SEGMENTS[figure as usize][segment]);
        Some(if lit { WHITE } else { BLACK })
    }
}

/// The segment at a place of the field of a digit, 6 × 11 strokes.
fn segment(x: u32, y: u32) -> Option<usize> {
    match (x, y) {
        (2..=4, 1) => Some(0),
        (1, 2..=4) => Some(1),
        (5, 2..=4) => Some(2),
        (2..=4, 5) => Some(3),
        (1, 6..=8) => Some(4),
        (5, 6..=8) => Some(5),
        (2..=4, 9) => Some(6),
        _ => None,
    }
}

/// Reads the counter of a picture back, by the middle of each segment.
#[cfg(test)]
pub(super) fn counter(luma: &[u8], (width, height): (u32, u32)) -> Option<u32> {
    let digit = Digit::of(height);
    let middles = [(3, 1), (1, 3), (5, 3), (3, 5), (1, 7), (5, 7), (3, 9)];
    (0..DIGITS).try_fold(0, |read, place| {
        let lit = middles.map(|(x, y)| {
            let column = place * digit.pitch() + x * digit.stroke + digit.stroke / 2;
            luma[((y * digit.stroke + digit.stroke / 2) * width + column) as usize] > 128
        });
        let figure = SEGMENTS.iter().position(|segments| *segments == lit)?;
        Some(read * 10 + figure as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_is_the_same_each_time_and_says_its_number() {
        for (size, number) in [((320, 240), 0), ((128, 96), 7), ((640, 360), 1234), ((1280, 720), 9999)] {
            let planes = picture(size, number);
            let pixels = (size.0 * size.1) as usize;
            assert_eq!((planes.y.len(), planes.u.len(), planes.v.len()), (pixels, pixels / 4, pixels / 4));
            assert_eq!(counter(&planes.y, size), Some(number));
            assert_eq!(picture(size, number), planes);
            assert_ne!(picture(size, number + 1).y[pixels / 2..], planes.y[pixels / 2..], "it moves");
        }
    }
}
