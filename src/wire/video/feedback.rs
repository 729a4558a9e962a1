//! Requests for a key frame in RTCP: picture loss indication (RFC 4585 §6.3.1) and full intra request
//! (RFC 5104 §4.3.1).

use rtcp_types::{Compound, PayloadFeedback, Pli, ReceiverReport, RtcpPacketWriterExt, Sdes, SdesChunk, SdesItem};

/// Packet type of payload-specific feedback.
const PAYLOAD_FEEDBACK: u8 = 206;
const PLI: u8 = 1;
const FIR: u8 = 4;

/// A request for a key frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The receiver lost a picture.
    PictureLoss {
        /// The source whose picture it was.
        media: u32,
    },
    /// Somebody wants a picture that needs no other.
    FullIntra {
        /// The source that shall send it; the first one named.
        media: u32,
        /// Counts the requests of one asker: a copy has the same number.
        number: u8,
    },
}

/// The requests in a datagram, compound or reduced-size (RFC 5506); what is cut off is left out.
#[must_use]
pub fn requests(datagram: &[u8]) -> Vec<Request> {
    let mut found = Vec::new();
    let mut rest = datagram;
    while let [first, kind, high, low, ..] = *rest {
        let length = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        let Some((packet, after)) = rest.split_at_checked(length) else { break };
        if kind == PAYLOAD_FEEDBACK && first >> 6 == 2 {
            found.extend(request(first & 0x1f, packet));
        }
        rest = after;
    }
    found
}

fn request(format: u8, packet: &[u8]) -> Option<Request> {
    let word = |at: usize| packet.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    match format {
        PLI => Some(Request::PictureLoss { media: word(8)? }),
        FIR => Some(Request::FullIntra { media: word(12)?, number: *packet.get(16)? }),
        _ => None,
    }
}

/// A picture loss indication of `sender` about `media`, in a compound packet with an empty receiver report and
/// the CNAME (RFC 4585 §3.1). Empty only if the name is longer than RTCP can carry.
#[must_use]
pub fn picture_loss(sender: u32, media: u32, cname: &str) -> Vec<u8> {
    let chunk = SdesChunk::builder(sender).add_item_owned(SdesItem::builder(SdesItem::CNAME, cname));
    let indication = PayloadFeedback::builder_owned(Pli::builder()).sender_ssrc(sender).media_ssrc(media);
    let compound = Compound::builder()
        .add_packet(ReceiverReport::builder(sender))
        .add_packet(Sdes::builder().add_chunk(chunk))
        .add_packet(indication);
    let mut buffer = vec![0; 512];
    let length = compound.write_into(&mut buffer).unwrap_or(0);
    buffer.truncate(length);
    buffer
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_asked_is_read() {
        let pli = picture_loss(7, 0x1020_3040, "a@b");
        assert_eq!(requests(&pli), [Request::PictureLoss { media: 0x1020_3040 }]);
        // RFC 5104 §4.3.1.1: media source 0, then one entry of SSRC, number and three reserved octets.
        let fir = [0x84, 206, 0, 4, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 9, 3, 0, 0, 0];
        assert_eq!(requests(&fir), [Request::FullIntra { media: 9, number: 3 }]);
        assert_eq!(requests(&[&pli[..], &fir].concat()).len(), 2);
        assert!(requests(&fir[..16]).is_empty());
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = requests(&octets);
            let _ = requests(&[&[0x81, 206, 0, 1][..], &octets].concat());
        }
    }
}
