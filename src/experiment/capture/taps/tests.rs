use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};

use super::*;
use crate::evidence::history::What;
use crate::evidence::rundir::RunDir;
use crate::experiment::run::recorder::{Recorder, TapTransport};

/// A trial directory that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("fivenines-taps-{name}-{}", std::process::id()));
        Scratch(path)
    }

    fn trial(&self) -> TrialDir {
        RunDir::at(&self.0).trial(1)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

fn packet(t: i64, payload: &[u8]) -> TapPacket {
    let address = |text: &str| text.parse::<SocketAddr>().unwrap();
    TapPacket {
        t: RunTime(t),
        outbound: true,
        transport: TapTransport::Udp,
        src: address("10.77.0.100:5062"),
        dst: address("10.77.0.10:5060"),
        payload: payload.to_vec(),
    }
}

#[test]
fn what_was_recorded_is_read_back_from_both_files() {
    let scratch = Scratch::new("both");
    let clock = Clock::start();
    let (recorder, receiver) = Recorder::new(clock);
    let writer = Writer::start(receiver, clock, &scratch.trial()).unwrap();
    recorder.record_at(RunTime(7), What::Owner { nodes: vec!["alpha".into()] });
    recorder.mark("power_off alpha".into());
    recorder.tap(packet(1_000, b"OPTIONS"));
    recorder.tap(packet(2_000, b"again"));
    // A clone that is still alive must not keep the writer from finishing.
    let stats = writer.finish().unwrap();
    drop(recorder);
    assert_eq!(stats, WriterStats { events: 1, packets: 2, unwritable: 0 });

    let history = fs::read(scratch.trial().history()).unwrap();
    let (events, bad) = history::read(&history[..]).unwrap();
    assert_eq!((events[0].t_ns, bad.len()), (RunTime(7), 0));

    let mut reader = PcapNgReader::new(File::open(scratch.trial().taps()).unwrap()).unwrap();
    let mut comments = Vec::new();
    let mut stamps = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap() {
            stamps.push(packet.timestamp.as_nanos() as i64 - clock.wall_epoch_ns());
            comments.push(packet.options.iter().any(|option| matches!(option, EnhancedPacketOption::Comment(_))));
            assert!(packet.options.contains(&EnhancedPacketOption::Flags(2)));
        }
    }
    assert_eq!(stamps, [1_000, 2_000]);
    assert_eq!(comments, [true, false]);
}

#[test]
fn a_full_disk_is_told_at_the_end_and_the_senders_never_notice() {
    let scratch = Scratch::new("full");
    fs::create_dir_all(scratch.trial().captures()).unwrap();
    symlink("/dev/full", scratch.trial().taps()).unwrap();
    let clock = Clock::start();
    let (recorder, receiver) = Recorder::new(clock);
    let writer = Writer::start(receiver, clock, &scratch.trial()).unwrap();
    for t in 0..1_000 {
        recorder.tap(packet(t, &[0; 1_000]));
        recorder.record_at(RunTime(t), What::Clock { wall_unix_ns: t });
    }
    drop(recorder);
    let error = writer.finish().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().contains("taps.pcapng"), "{error}");
    // The other file is whole all the same.
    let history = fs::read(scratch.trial().history()).unwrap();
    assert_eq!(history::read(&history[..]).unwrap().0.len(), 1_000);
}

#[test]
fn files_read_while_the_writer_is_still_at_work() {
    let scratch = Scratch::new("crash");
    let clock = Clock::start();
    let mut files = {
        scratch.trial().create().unwrap();
        Files::create(clock, &scratch.trial()).unwrap()
    };
    files.write(Record::Tap(packet(1, b"first"))).unwrap();
    let due = files.flush_when_due(RunTime::from_millis(200), RunTime::from_millis(200));
    assert_eq!(due, RunTime::from_millis(400));
    files.write(Record::Tap(packet(2, b"lost in the crash"))).unwrap();
    assert_eq!(files.flush_when_due(RunTime::from_millis(399), due), due);

    let mut reader = PcapNgReader::new(File::open(scratch.trial().taps()).unwrap()).unwrap();
    let mut packets = 0;
    while let Some(block) = reader.next_block() {
        packets += usize::from(matches!(block.unwrap(), Block::EnhancedPacket(_)));
    }
    assert_eq!(packets, 1);
}
