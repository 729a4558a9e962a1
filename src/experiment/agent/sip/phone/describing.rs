//! What a phone says of its media in SDP, and what it has in common with the far side (RFC 3264).

use super::{Media, VideoMedia};
use crate::wire::sip::sdp::{Audio, Description, Direction, Format, Video};
use crate::wire::video::h264::Mode;
use crate::wire::video::{CLOCK_RATE, Codec};

/// What two sides agreed on: the payload types under which the far side takes our codecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) audio: u8,
    /// Absent for a call without video, or where the far side takes none of ours.
    pub(super) video: Option<u8>,
}

impl Media {
    /// What we offer.
    pub(super) fn describe(&self) -> Description {
        let format = Format {
            payload_type: self.payload_type,
            encoding: self.codec.clone(),
            clock_rate: 8000,
            parameters: None,
        };
        let audio = Audio {
            address: self.address,
            formats: vec![format],
            ptime_ms: Some(self.ptime_ms),
            direction: Direction::SendRecv,
        };
        let video = self.video.as_ref().map(VideoMedia::describe);
        Description { audio, video_section: video.is_some(), video }
    }

    /// What we answer to an offer: the same sections, those that we cannot take refused.
    pub(super) fn answer_to(&self, offer: &Description) -> Description {
        Description { video_section: offer.video_section, ..self.describe() }
    }

    /// What we have in common with the far side; `None` without a common audio codec.
    pub(super) fn agreed_with(&self, far: &Description) -> Option<Agreed> {
        let same = |format: &&Format| format.encoding.eq_ignore_ascii_case(&self.codec);
        let audio = far.audio.formats.iter().find(same)?.payload_type;
        let video = self.video.as_ref().zip(far.video.as_ref()).and_then(|(ours, theirs)| ours.agreed_with(theirs));
        Some(Agreed { audio, video })
    }

    /// These media as agreed.
    pub(super) fn settled(self, agreed: Agreed) -> Media {
        let video = self.video.zip(agreed.video).map(|(video, payload_type)| VideoMedia { payload_type, ..video });
        Media { payload_type: agreed.audio, video, ..self }
    }
}

impl VideoMedia {
    fn describe(&self) -> Video {
        let parameters = (self.codec == Codec::H264).then(|| {
            let (mode, profile) = (self.mode.number(), &self.profile_level_id);
            format!("packetization-mode={mode};profile-level-id={profile};level-asymmetry-allowed=1")
        });
        let format = Format {
            payload_type: self.payload_type,
            encoding: self.codec.encoding().to_owned(),
            clock_rate: CLOCK_RATE,
            parameters,
        };
        Video {
            address: self.address,
            formats: vec![format],
            direction: Direction::SendRecv,
            picture_loss_indication: self.picture_loss_indication,
        }
    }

    /// The payload type under which the far side takes our codec. For H.264 both sides must mean the same
    /// packetization mode, which is 0 where none is named (RFC 6184 §8.1).
    fn agreed_with(&self, video: &Video) -> Option<u8> {
        let mode = |format: &Format| {
            let number = format.parameter("packetization-mode").map_or(Some(0), |number| number.parse().ok());
            number.and_then(Mode::of_number)
        };
        let same = |format: &&Format| {
            format.encoding.eq_ignore_ascii_case(self.codec.encoding())
                && (self.codec != Codec::H264 || mode(format) == Some(self.mode))
        };
        Some(video.formats.iter().find(same)?.payload_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(codec: Codec, mode: Mode) -> Media {
        let video = VideoMedia {
            address: "10.0.0.1:4002".parse().unwrap(),
            codec,
            mode,
            profile_level_id: "42e01e".into(),
            payload_type: 99,
            picture_loss_indication: true,
        };
        let address = "10.0.0.1:4000".parse().unwrap();
        Media { address, codec: "PCMA".into(), payload_type: 8, ptime_ms: 20, video: Some(video) }
    }

    #[test]
    fn video_is_agreed_where_codec_and_mode_are_the_same() {
        let ours = media(Codec::H264, Mode::NonInterleaved);
        let common = |far: Media| ours.agreed_with(&far.describe()).unwrap();
        assert_eq!(common(ours.clone()), Agreed { audio: 8, video: Some(99) });
        assert_eq!(common(media(Codec::H264, Mode::SingleUnit)).video, None);
        assert_eq!(common(media(Codec::Vp8, Mode::NonInterleaved)).video, None);
        let settled = ours.clone().settled(common(media(Codec::Vp8, Mode::default())));
        assert_eq!(settled.video, None);
        // The section of the offer stays in the answer, refused.
        let answer = settled.answer_to(&ours.describe());
        assert!(answer.video_section && answer.video.is_none());
    }
}
