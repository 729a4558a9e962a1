//! Audio and video of a session description (RFC 8866, RFC 3264): where to send, which payloads, how often.

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
    /// Its `fmtp` line, where there is one: `packetization-mode=1;profile-level-id=42e01e`.
    pub parameters: Option<String>,
}

/// What a session description says of its first audio and its first video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// The audio; a call without it is none of ours.
    pub audio: Audio,
    /// The video, where there is one with a port.
    pub video: Option<Video>,
    /// A video section stands there, with or without a port: an answer needs one as well (RFC 3264 §6).
    pub video_section: bool,
}

/// The first video section of a session description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Video {
    /// Where the describing side wants its packets.
    pub address: SocketAddr,
    /// Formats in order of preference.
    pub formats: Vec<Format>,
    /// What the describing side does.
    pub direction: Direction,
    /// It answers a picture loss indication (RFC 4585 §4.2, `rtcp-fb` with `nack pli`).
    pub picture_loss_indication: bool,
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

impl Format {
    /// One parameter of the `fmtp` line; names differ in case only.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let parameters = self.parameters.as_deref()?.split(';');
        let found =
            parameters.filter_map(|one| one.trim().split_once('=')).find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }
}

impl Description {
    /// Reads audio and video; `None` where there is no audio with a port and an address.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Description> {
        let session = Session::parse(body).ok()?;
        let video_section = session.medias.iter().any(|media| media.media == "video");
        Some(Description { audio: Audio::of(&session)?, video: Video::of(&session), video_section })
    }

    /// Writes a session. `id` and `version` are the origin's: the version rises with every change (RFC 3264 §8).
    #[must_use]
    pub fn write(&self, id: u64, version: u64) -> Vec<u8> {
        let mut session = Session::new(Origin::with_ip_addr(id, version, self.audio.address.ip()), "-");
        session.connection = Some(Connection::from_ip_addr(self.audio.address.ip()));
        session.times.push(Time::new(0, 0));
        session.add_media(self.audio.section());
        if let Some(video) = &self.video {
            session.add_media(video.section());
        } else if self.video_section {
            // A refused section keeps its place and a format (RFC 3264 §6).
            session.add_media(Media::new(MediaType::Video, 0, TransportProto::RtpAvp, "31"));
        }
        let mut body = Vec::new();
        // Writing to memory cannot fail.
        let _written = session.write(&mut body);
        body
    }
}

impl Audio {
    /// Reads the first `m=audio` section with a port; `None` where there is none, or no address.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Audio> {
        Audio::of(&Session::parse(body).ok()?)
    }

    fn of(session: &Session) -> Option<Audio> {
        let (media, address) = open_section(session, "audio")?;
        let ptime = media.get_first_attribute_value("ptime").flatten();
        Some(Audio {
            address,
            formats: formats(media),
            ptime_ms: ptime.and_then(|ptime| ptime.trim().parse().ok()),
            direction: direction_of(media, session),
        })
    }

    fn section(&self) -> Media {
        let mut media = section(MediaType::Audio, self.address.port(), &self.formats);
        if let Some(ptime) = self.ptime_ms {
            media.add_attribute_with_value("ptime", ptime);
        }
        media.add_attribute_from_str(self.direction.as_str());
        media
    }
}

impl Video {
    fn of(session: &Session) -> Option<Video> {
        let (media, address) = open_section(session, "video")?;
        let asks = |attribute: &Attribute| {
            attribute.attribute == "rtcp-fb"
                && attribute.value.as_deref().is_some_and(|value| value.split_whitespace().skip(1).eq(["nack", "pli"]))
        };
        Some(Video {
            address,
            formats: formats(media),
            direction: direction_of(media, session),
            picture_loss_indication: media.attributes.iter().any(asks),
        })
    }

    fn section(&self) -> Media {
        let mut media = section(MediaType::Video, self.address.port(), &self.formats);
        if self.picture_loss_indication {
            for format in &self.formats {
                media.add_attribute_with_value("rtcp-fb", format!("{} nack pli", format.payload_type));
                media.add_attribute_with_value("rtcp-fb", format!("{} ccm fir", format.payload_type));
            }
        }
        media.add_attribute_from_str(self.direction.as_str());
        media
    }
}

/// The first section of a kind that has a port, and where its packets go.
fn open_section<'a>(session: &'a Session, kind: &str) -> Option<(&'a Media, SocketAddr)> {
    let media = session.medias.iter().find(|media| media.media == kind && media.port != 0)?;
    let connection = media.connections.first().or(session.connection.as_ref())?;
    let address: IpAddr = connection.connection_address.split('/').next()?.parse().ok()?;
    Some((media, SocketAddr::new(address, media.port)))
}

fn direction_of(media: &Media, session: &Session) -> Direction {
    direction(&media.attributes).or_else(|| direction(&session.attributes)).unwrap_or_default()
}

fn formats(media: &Media) -> Vec<Format> {
    media.fmt.split_whitespace().filter_map(|number| format(media, number)).collect()
}

fn section(kind: MediaType, port: u16, formats: &[Format]) -> Media {
    let numbers: Vec<_> = formats.iter().map(|format| format.payload_type.to_string()).collect();
    let mut media = Media::new(kind, port, TransportProto::RtpAvp, numbers.join(" "));
    for format in formats {
        let map = format!("{} {}/{}", format.payload_type, format.encoding, format.clock_rate);
        media.add_attribute_with_value("rtpmap", map);
        if let Some(parameters) = &format.parameters {
            media.add_attribute_with_value("fmtp", format!("{} {parameters}", format.payload_type));
        }
    }
    media
}

fn format(media: &Media, number: &str) -> Option<Format> {
    let payload_type = number.parse().ok()?;
    let value_of = |name: &str| {
        media.attributes.iter().filter(|attribute| attribute.attribute == name).find_map(|attribute| {
            let (key, value) = attribute.value.as_deref()?.trim().split_once(' ')?;
            (key == number).then_some(value.trim())
        })
    };
    let parameters = value_of("fmtp").map(str::to_owned);
    let Some(map) = value_of("rtpmap") else {
        let (encoding, clock_rate) = static_payload(payload_type)?;
        return Some(Format { payload_type, encoding: encoding.to_owned(), clock_rate, parameters });
    };
    let mut parts = map.split('/');
    let encoding = parts.next()?.to_owned();
    Some(Format { payload_type, encoding, clock_rate: parts.next()?.trim().parse().ok()?, parameters })
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
        let format = |payload_type, encoding: &str, clock_rate, parameters: Option<&str>| Format {
            payload_type,
            encoding: encoding.into(),
            clock_rate,
            parameters: parameters.map(str::to_owned),
        };
        let formats = vec![format(8, "PCMA", 8000, None), format(96, "opus", 48_000, Some("useinbandfec=1"))];
        let h264 = format(99, "H264", 90_000, Some("packetization-mode=1;profile-level-id=42e01e"));
        assert_eq!(h264.parameter("Packetization-Mode"), Some("1"));
        for address in ["10.0.0.1:4000", "[::1]:4002"] {
            let audio = Audio {
                address: address.parse().unwrap(),
                formats: formats.clone(),
                ptime_ms: Some(20),
                direction: Direction::RecvOnly,
            };
            let mut address: SocketAddr = address.parse().unwrap();
            address.set_port(4004);
            let video = Video {
                address,
                formats: vec![h264.clone()],
                direction: Direction::SendRecv,
                picture_loss_indication: true,
            };
            for video in [Some(video), None] {
                let description = Description { audio: audio.clone(), video_section: video.is_some(), video };
                assert_eq!(Description::read(&description.write(7, 1)), Some(description));
            }
            let refused = Description { audio, video: None, video_section: true };
            assert_eq!(Description::read(&refused.write(7, 1)), Some(refused));
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
            let _ = Description::read(&octets);
            let head = "v=0\r\no=- 1 1 IN IP4 1.1.1.1\r\ns=-\r\nc=IN IP4 1.1.1.1\r\nt=0 0\r\n";
            for media in ["audio", "video"] {
                let body = format!("{head}m=audio 1 RTP/AVP 0\r\nm={media} 9 RTP/AVP 99\r\n{line}\r\n");
                let _ = Description::read(body.as_bytes());
            }
        }
    }
}
