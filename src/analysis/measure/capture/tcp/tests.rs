use super::*;
use crate::wire::limits::{LONGEST_SIP_MESSAGE, MOST_UNDECIDED_SEGMENTS};

const INVITE: &[u8] = b"INVITE sip:b@x SIP/2.0\r\nCall-ID: one\r\nCSeq: 1 INVITE\r\nFrom: <sip:a@x>;tag=t1\r\n\
    To: <sip:b@x>\r\nContent-Length: 0\r\n\r\n";

/// Connections and those who read them.
#[derive(Default)]
struct Bench {
    connections: Connections,
    signalling: Signalling,
    chats: Chats,
    excess: Excess,
    packet: u64,
}

impl Bench {
    fn segment(&mut self, at_ms: i64, ends: (&str, &str), sequence: u32, flags: u8, payload: &[u8]) {
        self.packet += 1;
        let segment = Segment {
            at: RunTime::from_millis(at_ms),
            spot: Spot { file: 0, name: "made.pcap", packet: self.packet },
            source: ends.0.parse().unwrap(),
            destination: ends.1.parse().unwrap(),
            sequence,
            acknowledgment: 0,
            flags,
            payload,
        };
        let Bench { connections, signalling, chats, excess, .. } = self;
        connections.segment(&segment, &mut Readers { filter: &Filter::default(), signalling, chats, excess });
    }

    fn calls(&mut self) -> usize {
        let Bench { connections, signalling, chats, excess, packet } = self;
        let spot = Spot { file: 0, name: "made.pcap", packet: *packet };
        connections.finish(&spot, &mut Readers { filter: &Filter::default(), signalling, chats, excess });
        signalling.dialogs.calls().len()
    }

    fn complaints(self) -> Vec<String> {
        self.excess.anomalies().map(|anomaly| format!("{}: {}", anomaly.place, anomaly.what)).collect()
    }
}

const ENDS: (&str, &str) = ("10.0.0.1:40000", "10.0.0.9:5060");

#[test]
fn sip_is_put_together_from_segments_out_of_order_and_repeated() {
    let mut bench = Bench::default();
    bench.segment(0, ENDS, 6, SYN, b"");
    for (start, end) in [(0, 40), (90, INVITE.len()), (20, 60), (0, 40), (60, 90)] {
        bench.segment(1, ENDS, 7 + start as u32, ACK, &INVITE[start..end]);
    }
    assert_eq!(bench.calls(), 1);
}

#[test]
fn a_request_counts_from_its_first_octet_and_a_response_to_its_last() {
    let answer = String::from_utf8(INVITE.to_vec()).unwrap().replace("INVITE sip:b@x SIP/2.0", "SIP/2.0 200 OK");
    let (answer, back) = (answer.as_bytes(), (ENDS.1, ENDS.0));
    let mut bench = Bench::default();
    bench.signalling.counts = true;
    // Half a keep-alive (RFC 5626 §3.5.1) is no part of the message behind it.
    bench.segment(0, ENDS, 7, ACK, b"\r\n");
    bench.segment(1000, ENDS, 9, ACK, &INVITE[..5]);
    bench.segment(1010, ENDS, 14, ACK, &INVITE[5..]);
    bench.segment(1500, back, 70, ACK, &answer[..30]);
    bench.segment(1520, back, 100, ACK, &answer[30..]);
    assert_eq!(bench.calls(), 1);
    let metrics = bench.signalling.transactions.metrics(RunTime::from_millis(9000), &|_| true).unwrap();
    assert_eq!(metrics.srd_successful.map(|delay| delay.mean_ms), Some(520.0));
}

#[test]
fn a_capture_that_begins_in_the_midst_of_a_message_reads_the_next_one() {
    let mut bench = Bench::default();
    bench.segment(0, ENDS, 100, ACK, b"c=IN IP4 10.0.0.1\r\na=sendrecv\r\n");
    bench.segment(1, ENDS, 131, ACK, INVITE);
    assert_eq!(bench.calls(), 1);
}

#[test]
fn after_a_hole_the_next_message_at_the_start_of_a_segment_is_read() {
    let mut bench = Bench::default();
    let first = [b"OPTIONS", &INVITE[6..]].concat();
    bench.segment(0, ENDS, 1, ACK, &first[..50]);
    // The rest of it was not captured.
    bench.segment(1, ENDS, 1 + first.len() as u32, ACK, INVITE);
    assert_eq!(bench.calls(), 1);
}

#[test]
fn an_endless_header_is_told_and_bounded() {
    let mut bench = Bench::default();
    bench.segment(0, ENDS, 0, SYN, b"");
    bench.segment(0, ENDS, 1, ACK, b"INVITE sip:b@x SIP/2.0\r\nSubject: ");
    let piece = [b'x'; 1000];
    for k in 0..200u32 {
        bench.segment(1, ENDS, 34 + k * 1000, ACK, &piece);
        assert!(bench.connections.buffered <= 3 * LONGEST_SIP_MESSAGE, "{}", bench.connections.buffered);
    }
    let complaints = bench.complaints();
    assert_eq!(complaints.len(), 1);
    assert!(complaints[0].starts_with("made.pcap packet 68: 1 places"), "{complaints:?}");
}

#[test]
fn a_flood_of_connections_is_bounded_counted_and_makes_room_again() {
    let mut bench = Bench::default();
    let flood = MOST_CONNECTIONS as u32 + 10;
    for k in 0..flood {
        let source = format!("10.1.{}.{}:{}", (k >> 8) & 255, k & 255, 1024 + (k >> 16));
        bench.segment(0, (&source, "10.0.0.9:80"), 0, SYN, b"");
    }
    assert_eq!(bench.connections.live.len(), MOST_CONNECTIONS);
    // Six seconds later those that carried nothing make room.
    bench.segment(6000, ENDS, 1, ACK, INVITE);
    assert_eq!((bench.connections.live.len(), bench.calls()), (1, 1));
    let expected = format!(
        "made.pcap packet {}: 10 segments of TCP connections beyond the number that is followed; the first here",
        MOST_CONNECTIONS + 1
    );
    assert_eq!(bench.complaints(), [expected]);
}

#[test]
fn what_is_neither_sip_nor_chat_is_not_kept() {
    let mut bench = Bench::default();
    let ends = ("10.0.0.1:40000", "10.0.0.9:80");
    for k in 0..2 * MOST_UNDECIDED_SEGMENTS {
        bench.segment(0, ends, 1 + k * 4, ACK, b"\x00\x01\x02\x03");
    }
    assert_eq!((bench.connections.buffered, bench.calls()), (0, 0));
}
