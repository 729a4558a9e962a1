//! From streams to what one listener heard: all sources of one direction of a dialog are one logical stream.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::dialogs::{Dialogs, Leg};
use super::streams::Stream;

/// A logical stream and whose it is.
#[derive(Debug)]
pub(super) struct Logical {
    /// Absent where no session description names either end.
    pub(super) leg: Option<Leg>,
    pub(super) stream: Stream,
}

/// Joins the streams of one dialog and direction that take turns on one hop. What sounds at the same time stays apart,
/// and so do the hops on both sides of a relay.
pub(super) fn logical(streams: Vec<Stream>, dialogs: &Dialogs) -> Vec<Logical> {
    let mut joined: Vec<Logical> = Vec::new();
    let mut places: BTreeMap<Leg, Vec<usize>> = BTreeMap::new();
    for stream in streams {
        let leg = dialogs.leg(&stream.flow, stream.start());
        let earlier = leg.and_then(|leg| likeliest(&joined, places.get(&leg)?, &stream));
        match earlier {
            Some(place) => joined[place].stream.join(stream),
            None => {
                leg.into_iter().for_each(|leg| places.entry(leg).or_default().push(joined.len()));
                joined.push(Logical { leg, stream });
            }
        }
    }
    joined
}

/// The stream that `next` goes on with: of those that have ended the one whose flow is most like its own.
fn likeliest(joined: &[Logical], places: &[usize], next: &Stream) -> Option<usize> {
    let all = places.iter().map(|place| (&joined[*place].stream, *place));
    let ended = all.filter(|(stream, _)| stream.flow.sense == next.flow.sense && stream.hands_over_to(next));
    let likely = ended.map(|(stream, place)| (likeness(stream, next), place)).filter(|(likeness, _)| *likeness > 0);
    likely.max().map(|(_, place)| place)
}

/// How much two flows have in common: a medium may change one of its ends, but hardly both at once.
fn likeness(earlier: &Stream, later: &Stream) -> u32 {
    let (earlier, later) = (&earlier.flow, &later.flow);
    let end = |a: SocketAddr, b: SocketAddr| u32::from(a == b) + u32::from(a.ip() == b.ip());
    end(earlier.source, later.source) + end(earlier.destination, later.destination)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::measure::capture::streams::Flow;
    use crate::analysis::measure::capture::talkspurts::Pauses;
    use crate::analysis::measure::track::Arrival;
    use crate::evidence::history::Direction;
    use crate::units::RunTime;
    use crate::wire::pcap::Sense;
    use crate::wire::sip::Message;

    fn stream(source: &str, destination: &str, (from_ms, to_ms): (i64, i64)) -> Stream {
        let flow =
            Flow { source: source.parse().unwrap(), destination: destination.parse().unwrap(), sense: Sense::Unknown };
        let at = (from_ms..to_ms).step_by(20).map(RunTime::from_millis);
        let arrivals = at.zip(0..).map(|(at, index)| Arrival { at, segment: 0, index, media: None, pause: false });
        Stream {
            flow,
            ssrcs: vec![1],
            codec: None,
            clock_rate: 8000,
            more_codecs: Vec::new(),
            pauses: Pauses::default(),
            signed_stream: None,
            interval: None,
            shifts: Vec::new(),
            arrivals: arrivals.collect(),
        }
    }

    /// The relay moves from .8 to .9: what the callee's phone sends to it and what it sends to the caller are two hops.
    #[test]
    fn the_hops_on_both_sides_of_a_relay_go_on_each_by_itself() {
        let mut dialogs = Dialogs::default();
        let sdp = |ip: &str| {
            format!("v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n")
        };
        let message = |start: &str, tag: &str, ip: &str| {
            format!(
                "{start}\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@x>;tag=a\r\nTo: <sip:b@x>{tag}\r\n\
                 Content-Type: application/sdp\r\n\r\n{}",
                sdp(ip)
            )
        };
        for text in [message("INVITE sip:b@x SIP/2.0", "", "10.0.0.1"), message("SIP/2.0 200 OK", ";tag=b", "10.0.0.2")]
        {
            dialogs.message(
                super::super::signalling::Heard::at_once(RunTime::ZERO),
                &Message::parse(text.as_bytes()).unwrap(),
            );
        }
        let streams = vec![
            stream("10.0.0.2:4000", "10.0.0.8:7000", (0, 1000)),
            stream("10.0.0.8:7002", "10.0.0.1:4000", (1, 1001)),
            stream("10.0.0.9:9002", "10.0.0.1:4000", (2000, 3000)),
            stream("10.0.0.2:4000", "10.0.0.9:9000", (2001, 3001)),
        ];
        let joined = logical(streams, &dialogs);
        let to_caller = Some(Leg { call: 0, direction: Direction::ToCaller });
        assert!(joined.len() == 2 && joined.iter().all(|one| one.leg == to_caller));
        let arrivals: Vec<Vec<Arrival>> = joined.iter().map(|one| one.stream.arrivals.unpack()).collect();
        assert_eq!(arrivals.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100]);
        let ends: Vec<RunTime> = arrivals.iter().map(|arrivals| arrivals[99].at).collect();
        assert_eq!(ends, [RunTime::from_millis(2981), RunTime::from_millis(2980)]);
    }
}
