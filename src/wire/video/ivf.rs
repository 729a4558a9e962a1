//! The IVF container: a header of 32 octets, then frames, each behind its length and presentation time.

/// The frames of an IVF file in order; ends where the file is cut off. Empty when it is none.
#[must_use]
pub fn frames(file: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    let Some(mut rest) = file.strip_prefix(b"DKIF").and_then(|_| file.get(32..)) else { return frames };
    while let Some((header, body)) = rest.split_first_chunk::<12>() {
        let [a, b, c, d, ..] = *header;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        let Some((frame, after)) = body.split_at_checked(length) else { return frames };
        frames.push(frame);
        rest = after;
    }
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_stand_behind_their_lengths_and_a_torn_one_is_left_out() {
        let frame = |body: &[u8]| [&(body.len() as u32).to_le_bytes()[..], &[0; 8], body].concat();
        let mut file = [b"DKIF".to_vec(), vec![0; 28], frame(b"one"), frame(b""), frame(b"two")].concat();
        assert_eq!(frames(&file), [&b"one"[..], b"", b"two"]);
        file.pop();
        assert_eq!(frames(&file), [&b"one"[..], b""]);
        assert!(frames(b"RIFF").is_empty());
    }
}
