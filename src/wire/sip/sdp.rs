//! The audio of a session description (RFC 8866, RFC 3264): where to send, which payloads, how often.

use std::net::{IpAddr, SocketAddr};

use crate::wire::rtp::static_payload;
pub use sdp_types::Direction;
use sdp_types::{Attribute, Connection, Media, MediaType, Origin, Session, Time, TransportProto};

/// A payload format on offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    /// RTP payload type.
    pub payload_type: u8,
    /// Encoding name of `rtpmap`, or of RFC 3551 table 4 for a static type without one.
    pub encoding: String,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
}

/// The first audio section of a session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audio {
    /// Where the describing side wants its packets.
    pub address: SocketAddr,
    /// Formats in order of preference.
    pub formats: Vec<Format>,
    /// Wanted packet interval in milliseconds.
    pub ptime_ms: Option<u32>,
    /// What the describing side does.
    pub direction: Direction,
}

impl Audio {
    /// Reads the first `m=audio` section with a port; `None` where there is none, or no address.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Audio> {
        let session = Session::parse(body).ok()?;
        let media = session.medias.iter().find(|media| media.media == "audio" && media.port != 0)?;
        let connection = media.connections.first().or(session.connection.as_ref())?;
        let address: IpAddr = connection.connection_address.split('/').next()?.parse().ok()?;
        let ptime = media.get_first_attribute_value("ptime").flatten();
        Some(Audio {
            address: SocketAddr::new(address, media.port),
            formats: media.fmt.split_whitespace().filter_map(|number| format(media, number)).collect(),
            ptime_ms: ptime.and_then(|ptime| ptime.trim().parse().ok()),
            direction: direction(&media.attributes).or_else(|| direction(&session.attributes)).unwrap_or_default(),
        })
    }

    /// Writes a session with this audio alone. `id` and `version` are the origin's: the version rises with
    /// every change (RFC 3264 §8).
    #[must_use]
    pub fn write(&self, id: u64, version: u64) -> Vec<u8> {
        let mut session = Session::new(Origin::with_ip_addr(id, version, self.address.ip()), "-");
        session.connection = Some(Connection::from_ip_addr(self.address.ip()));
        session.times.push(Time::new(0, 0));
        let numbers: Vec<_> = self.formats.iter().map(|format| format.payload_type.to_string()).collect();
        let mut media = Media::new(MediaType::Audio, self.address.port(), TransportProto::RtpAvp, numbers.join(" "));
        for format in &self.formats {
            let map = format!("{} {}/{}", format.payload_type, format.encoding, format.clock_rate);
            media.add_attribute_with_value("rtpmap", map);
        }
        if let Some(ptime) = self.ptime_ms {
            media.add_attribute_with_value("ptime", ptime);
        }
        media.add_attribute_from_str(self.direction.as_str());
        session.add_media(media);
        let mut body = Vec::new();
        // Writing to memory cannot fail.
        let _written = session.write(&mut body);
        body
    }
}

fn format(media: &Media, number: &str) -> Option<Format> {
    let payload_type = number.parse().ok()?;
    let map = media.attributes.iter().filter(|attribute| attribute.attribute == "rtpmap").find_map(|attribute| {
        let (key, map) = attribute.value.as_deref()?.trim().split_once(' ')?;
        (key == number).then_some(map)
    });
    let Some(map) = map else {
        let (encoding, clock_rate) = static_payload(payload_type)?;
        return Some(Format { payload_type, encoding: encoding.to_owned(), clock_rate });
    };
    let mut parts = map.trim().split('/');
    let encoding = parts.next()?.to_owned();
    Some(Format { payload_type, encoding, clock_rate: parts.next()?.trim().parse().ok()? })
}

fn direction(attributes: &[Attribute]) -> Option<Direction> {
    attributes.iter().find_map(|attribute| match attribute.attribute.as_str() {
        "sendrecv" => Some(Direction::SendRecv),
        "sendonly" => Some(Direction::SendOnly),
        "recvonly" => Some(Direction::RecvOnly),
        "inactive" => Some(Direction::Inactive),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let pcma = Format { payload_type: 8, encoding: "PCMA".into(), clock_rate: 8000 };
        let opus = Format { payload_type: 96, encoding: "opus".into(), clock_rate: 48_000 };
        for address in ["10.0.0.1:4000", "[::1]:4002"] {
            let audio = Audio {
                address: address.parse().unwrap(),
                formats: vec![pcma.clone(), opus.clone()],
                ptime_ms: Some(20),
                direction: Direction::RecvOnly,
            };
            assert_eq!(Audio::read(&audio.write(7, 1)), Some(audio));
        }
    }

    #[test]
    fn media_address_beats_session_address_and_static_types_need_no_map() {
        let body = b"v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nc=IN IP4 1.1.1.1\r\nt=0 0\r\na=sendonly\r\nm=video 0 RTP/AVP 31\r\nm=audio 9000 RTP/AVP 0 101 77\r\nc=IN IP4 2.2.2.2\r\na=rtpmap:101 telephone-event/8000\r\n";
        let audio = Audio::read(body).unwrap();
        assert_eq!(audio.address, "2.2.2.2:9000".parse().unwrap());
        let encodings: Vec<_> = audio.formats.iter().map(|format| format.encoding.as_str()).collect();
        assert_eq!(encodings, ["PCMU", "telephone-event"]);
        assert_eq!((audio.ptime_ms, audio.direction), (None, Direction::SendOnly));
    }

    proptest! {
        #[test]
        fn no_body_panics(octets in proptest::collection::vec(any::<u8>(), 0..200), line in "[vosctma]=[ -~]{0,40}") {
            let _ = Audio::read(&octets);
            let _ = Audio::read(format!("v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\n{line}\r\nm=audio 1 RTP/AVP 0\r\n").as_bytes());
        }
    }
}
