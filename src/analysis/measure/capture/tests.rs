use std::path::Path;

use super::*;

fn golden(name: &str) -> Measured {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(name);
    measure_capture(&[path]).unwrap()
}

/// The expected figures are tshark's; captures/rtp-jitter-loss-wrap.md has the command.
#[test]
fn voice_streams_measure_as_in_tshark_to_the_printed_digit() {
    let measured = golden("rtp-jitter-loss-wrap.pcap");
    let printed: Vec<String> = measured
        .streams
        .iter()
        .map(|s| {
            let (mean, max) = (s.jitter_ms_mean.unwrap(), s.jitter_ms_max.unwrap());
            let delta = s.delta_ms_max.unwrap();
            format!(
                "{:08x} {} {} {} {delta:.3} {mean:.3} {max:.3}",
                s.ssrc,
                s.codec.clone().unwrap(),
                s.packets,
                s.lost
            )
        })
        .collect();
    assert_eq!(printed, ["22222222 PCMU 160 0 31.821 0.616 0.892", "11111111 PCMA 240 10 44.515 2.483 3.480"]);
    assert_eq!((measured.outages, measured.anomalies), (vec![], vec![]));
}

fn feed(packets: &[(i64, u32, u16, u8)]) -> Vec<Stream> {
    let mut collector = Collector::default();
    let flow = Flow {
        source: "10.0.0.1:4000".parse().unwrap(),
        destination: "10.0.0.2:4000".parse().unwrap(),
        sense: Sense::Unknown,
    };
    for (at_ms, ssrc, sequence, payload_type) in packets {
        let rtp = Rtp {
            payload_type: *payload_type,
            marker: false,
            sequence: *sequence,
            timestamp: u32::from(*sequence) * 160,
            ssrc: *ssrc,
            payload: &[0; 20],
        };
        collector.packet(RunTime::from_millis(*at_ms), flow, &rtp);
    }
    collector.streams(&|_, _| None)
}

#[test]
fn a_new_ssrc_after_a_failover_is_one_stream_with_a_hole() {
    let packets: Vec<_> =
        (0..50).map(|k| (k * 20, 1, k as u16, 8)).chain((100..150).map(|k| (k * 20, 2, k as u16, 8))).collect();
    let streams = feed(&packets);
    assert_eq!(streams.len(), 1);
    let (figures, outages) = measure_stream(&streams[0]);
    assert_eq!((figures.ssrc, figures.more_ssrcs), (1, vec![2]));
    assert_eq!((figures.packets, figures.expected), (100, 100));
    // 980 → 2000 ms less one interval; across two numberings there is no sequence estimator.
    assert_eq!((outages.len(), outages[0].duration_ms), (1, 1000.0));
    assert_eq!(outages[0].estimates.sequence_ms, None);
}

#[test]
fn two_sources_at_once_stay_two_streams() {
    let packets: Vec<_> = (0..50).flat_map(|k| [(k * 20, 1, k as u16, 8), (k * 20 + 5, 2, k as u16, 8)]).collect();
    assert_eq!(feed(&packets).len(), 2);
}

#[test]
fn what_only_looks_like_rtp_is_none() {
    let scattered: Vec<_> = (0..50).map(|k| (k, 7, (k * 7919) as u16, 8)).collect();
    assert!(feed(&scattered).is_empty());
}

#[test]
fn comfort_noise_is_no_outage_and_no_jitter() {
    let speech = (0..50).map(|k| (k * 20, 1, k as u16, 8));
    let noise = [(1000, 1, 50, 13)];
    let again = (51..100).map(|k| (k * 20 + 2000, 1, k as u16, 8));
    let streams = feed(&speech.chain(noise).chain(again).collect::<Vec<_>>());
    let (figures, outages) = measure_stream(&streams[0]);
    assert_eq!(outages, []);
    assert_eq!((figures.lost, figures.jitter_ms_max), (0, Some(0.0)));
}
