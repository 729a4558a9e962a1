use super::*;
use crate::evidence::history::Direction;
use crate::experiment::run::clock::Clock;
use crate::experiment::run::recorder::Record;
use crate::wire::signature::Signature;

/// Two ports talk to each other for a moment: every packet that was due is sent, received and tapped.
#[test]
fn what_is_due_is_sent_and_received() {
    let clock = Clock::start();
    let (recorder, records) = Recorder::new(clock);
    let engine = MediaEngine::start(recorder).unwrap();
    let ip = "127.0.0.1".parse().unwrap();
    let (a, b) = (engine.open(ip).unwrap(), engine.open(ip).unwrap());
    let config = SenderConfig {
        stream: 1,
        call: 1,
        direction: Direction::ToCallee,
        codec: "PCMA".into(),
        payload_type: 8,
        ptime: Span::from_millis(10),
        local: a,
        remote: b,
        seed: 3,
    };
    engine.send(config);
    clock.sleep(Span::from_millis(300));
    assert_eq!(engine.hearing(Span::from_millis(200)), 1);
    engine.stop(1);
    clock.sleep(Span::from_millis(30));
    let mut health = Health::default();
    engine.finish(&mut health);
    let taps: Vec<TapPacketSummary> = records.try_iter().filter_map(summary).collect();
    let sent: Vec<u32> = taps.iter().filter(|tap| tap.0).map(|tap| tap.1).collect();
    let received: Vec<u32> = taps.iter().filter(|tap| !tap.0).map(|tap| tap.1).collect();
    assert_eq!(sent, received);
    assert_eq!(sent.len() as u64, health.rtp_sent);
    assert!(sent.len() as u64 + health.rtp_not_sent >= 25, "{sent:?}");
    assert!(health.send_late_p50_ns >= 0);
}

type TapPacketSummary = (bool, u32);

fn summary(record: Record) -> Option<TapPacketSummary> {
    let Record::Tap(tap) = record else { return None };
    let packet = rtp_rs::RtpReader::new(&tap.payload).ok()?;
    Some((tap.outbound, Signature::read(packet.payload())?.index))
}
