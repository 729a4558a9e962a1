//! The reference chain: which frames a decoder can show.
//!
//! A frame can be shown when it is complete and everything it refers to was: it is a key frame with its
//! parameters, or it follows without a gap on a frame that could be shown. A lost frame that nothing refers to
//! does not break the chain.

use super::Frame;

/// What a decoder can do with a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Show it.
    Shown,
    /// Nothing: a packet of it is missing.
    Incomplete,
    /// Nothing: it refers to a frame that is missing.
    NoReference,
}

/// Follows the frames of one stream in order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Chain {
    intact: bool,
    parameters: bool,
}

impl Chain {
    /// Judges the next frame.
    pub fn judge(&mut self, frame: &Frame) -> Verdict {
        self.parameters |= frame.parameters && frame.complete;
        if !frame.complete {
            self.intact &= !frame.reference && frame.continuous;
            return Verdict::Incomplete;
        }
        self.intact = (frame.key && self.parameters) || (self.intact && frame.continuous);
        if self.intact { Verdict::Shown } else { Verdict::NoReference }
    }

    /// Whether the next frame can be shown without being a key frame.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.intact
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `k` key, `p` reference, `b` non-reference; capital: incomplete; `.` before: not continuous.
    fn judge(frames: &str) -> String {
        let (mut chain, mut out, mut continuous) = (Chain::default(), String::new(), true);
        for letter in frames.chars() {
            if letter == '.' {
                continuous = false;
                continue;
            }
            let key = letter.eq_ignore_ascii_case(&'k');
            let frame = Frame {
                complete: letter.is_ascii_lowercase(),
                continuous,
                key,
                parameters: key,
                reference: !letter.eq_ignore_ascii_case(&'b'),
                ..Frame::default()
            };
            continuous = true;
            out.push(match chain.judge(&frame) {
                Verdict::Shown => 's',
                Verdict::Incomplete => 'i',
                Verdict::NoReference => 'n',
            });
        }
        out
    }

    #[test]
    fn the_chain_breaks_at_a_lost_reference_and_begins_at_a_key_frame() {
        for (frames, wanted) in
            [("ppkpp", "nnsss"), ("kpPppkp", "ssinnss"), ("kp.ppkp", "ssnnss"), ("kpBpp", "ssiss"), ("Kpk", "ins")]
        {
            assert_eq!(judge(frames), wanted, "{frames}");
        }
    }
}
