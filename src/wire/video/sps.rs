//! The picture size in a sequence parameter set (ITU-T H.264 §7.3.2.1.1).

use super::nal;

/// Width and height in pixels; `None` when the unit is no sequence parameter set or cut off.
pub(super) fn size(unit: &[u8]) -> Option<(u32, u32)> {
    if nal::kind_of(unit) != Some(nal::kind::SPS) {
        return None;
    }
    let octets = nal::unescaped(unit.get(1..)?);
    let profile = *octets.first()?;
    let mut bits = Bits { octets: octets.get(3..)?, at: 0 };
    bits.golomb()?;
    let chroma = if HIGH_PROFILES.contains(&profile) { bits.high_profile()? } else { 1 };
    bits.golomb()?;
    match bits.golomb()? {
        0 => drop(bits.golomb()?),
        1 => bits.order_count()?,
        _ => {}
    }
    bits.golomb()?;
    bits.take(1)?;
    let width = bits.golomb()?.checked_add(1)?.checked_mul(16)?;
    let rows = bits.golomb()?.checked_add(1)?.checked_mul(16)?;
    let frames_only = bits.take(1)?;
    if frames_only == 0 {
        bits.take(1)?;
    }
    let height = rows.checked_mul(2 - frames_only)?;
    bits.take(1)?;
    bits.cropped(width, height, (chroma, frames_only))
}

/// Profiles whose parameter sets tell the chroma format.
const HIGH_PROFILES: [u8; 10] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138];

struct Bits<'a> {
    octets: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0u32, |value, _| {
            let octet = *self.octets.get(self.at / 8)?;
            let bit = octet >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    /// ue(v), §9.1.
    fn golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.take(zeros)?)
    }

    /// Passes over what only the high profiles have; the chroma format.
    fn high_profile(&mut self) -> Option<u32> {
        let chroma = self.golomb()?;
        if chroma == 3 {
            self.take(1)?;
        }
        self.golomb()?;
        self.golomb()?;
        self.take(1)?;
        // Scaling matrices are not walked: streams of calls do not send them.
        (self.take(1)? == 0).then_some(chroma)
    }

    /// Passes over `pic_order_cnt_type` 1.
    fn order_count(&mut self) -> Option<()> {
        self.take(1)?;
        self.golomb()?;
        self.golomb()?;
        let count = self.golomb()?.min(255);
        (0..count).try_for_each(|_| self.golomb().map(drop))
    }

    /// The size less the cropping (table 6-1: units of the chroma format).
    fn cropped(&mut self, width: u32, height: u32, (chroma, frames_only): (u32, u32)) -> Option<(u32, u32)> {
        if self.take(1)? == 0 {
            return Some((width, height));
        }
        let (x, y) = match chroma {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        let [left, right, top, bottom] = [self.golomb()?, self.golomb()?, self.golomb()?, self.golomb()?];
        let less = |size: u32, one: u32, other: u32, unit: u32| {
            size.checked_sub(one.checked_add(other)?.checked_mul(unit)?).filter(|size| *size > 0)
        };
        Some((less(width, left, right, x)?, less(height, top, bottom, y * (2 - frames_only))?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Baseline, level 3, written bit by bit from §7.3.2.1.1: ids 0, log2 4, order type 2, one reference, 40 × 30
    /// macroblocks, frames only, no cropping: 1 1 011 010 0 00000101001 00000011110... in exp-Golomb.
    #[test]
    fn a_baseline_set_tells_its_size() {
        // ue(0) ue(0) ue(2) ue(1) 0 ue(39) ue(29) 1 1 0 0 1(stop): 640 x 480.
        let bits = "1 1 011 010 0 00000101000 000011110 1 1 0 0 1".replace(' ', "");
        let body: Vec<u8> = bits
            .as_bytes()
            .chunks(8)
            .map(|octet| (0..8).fold(0, |value, bit| value << 1 | octet.get(bit).map_or(0, |digit| digit - b'0')))
            .collect();
        let unit = [&[0x67, 66, 0, 30][..], &body].concat();
        assert_eq!(size(&unit), Some((640, 480)));
        assert_eq!(size(&unit[..6]), None);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = size(&[&[0x67][..], &octets].concat());
            let _ = size(&[&[0x67, 100, 0, 30][..], &octets].concat());
        }
    }
}
