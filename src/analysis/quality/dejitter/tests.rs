//! Simulated streams of 20 ms packets with planted jitter, outages and clock restarts.

use proptest::prelude::*;

use super::*;
use crate::units::{RunTime, Span};

const INTERVAL: Span = Span::from_millis(20);
const FIXED_50: Profile = Profile::Fixed { depth_ms: 50 };
const FIXED_200: Profile = Profile::Fixed { depth_ms: 200 };
const ADAPTIVE: Profile = Profile::Adaptive { min_ms: 40, max_ms: 200 };

/// When packets from `first` on arrived, with the given transits in ms; a negative transit is a loss.
fn arrivals(first: i64, transits: &[i64]) -> Vec<Option<RunTime>> {
    let arrival = |(i, transit): (i64, &i64)| (*transit >= 0).then(|| RunTime::from_millis(20 * i + transit));
    (first..).zip(transits).map(arrival).collect()
}

/// Packets 0.. with the given transits in ms; a negative transit is a loss.
fn stream(transits: impl IntoIterator<Item = i64>) -> [Segment; 1] {
    let transits: Vec<i64> = transits.into_iter().collect();
    [Segment::of(Span::ZERO, INTERVAL, arrivals(0, &transits))]
}

#[test]
fn a_smooth_stream_loses_nothing_and_costs_the_depth() {
    let smooth = stream([30; 500]);
    for (profile, depth) in [(FIXED_50, 50.0), (FIXED_200, 200.0), (ADAPTIVE, 40.0)] {
        let replay = replay(profile, &smooth);
        assert_eq!((replay.runs.missing(), replay.nominal_ms, replay.resynchronised), (0, Some(depth), 0));
    }
}

/// One packet in ten is 100 ms late: 50 ms of depth loses them all, 200 ms none.
#[test]
fn late_packets_are_discards() {
    let jittery = stream((0..1000).map(|i| if i % 10 == 9 { 130 } else { 30 }));
    assert_eq!(replay(FIXED_50, &jittery).runs.ppl(), Some(10.0));
    assert_eq!(replay(FIXED_200, &jittery).runs.ppl(), Some(0.0));
    let adapted = replay(ADAPTIVE, &jittery);
    assert!(adapted.runs.discarded <= 1, "{} discards", adapted.runs.discarded);
    let nominal = adapted.nominal_ms.unwrap();
    assert!((130.0..=140.0).contains(&nominal), "depth {nominal} is not 100 ms of spread and 40 ms of margin");
}

#[test]
fn exactly_at_the_depth_is_in_time() {
    let border = stream([30, 30, 80, 81]);
    assert_eq!(replay(FIXED_50, &border).slots, [Slot::Received, Slot::Received, Slot::Received, Slot::Discarded]);
}

#[test]
fn losses_stay_losses() {
    let lossy = stream([30, -1, 30, -1, -1]);
    let replay = replay(FIXED_50, &lossy);
    assert_eq!((replay.runs.lost, replay.runs.discarded, replay.runs.terminal_run), (3, 0, 2));
}

/// A server holds 1.7 s of audio back and flushes it: all of it is too late but the last 50 ms, and what
/// follows plays as before.
#[test]
fn a_flush_after_a_failover_is_discarded_and_the_clock_stays() {
    let flushed = stream((0..300).map(|i| if (100..185).contains(&i) { 30 + 20 * (184 - i) } else { 30 }));
    let replay = replay(FIXED_50, &flushed);
    assert_eq!(replay.runs.discarded, 82);
    assert_eq!((replay.runs.runs, replay.runs.longest_run, replay.resynchronised), (1, 82, 0));
    assert!(replay.slots[185..].iter().all(|slot| *slot == Slot::Received));
}

/// The new path is 150 ms slower: the buffer follows after one second (51 packets) of being late.
#[test]
fn a_path_that_became_slower_is_followed() {
    let slower = stream((0..500).map(|i| if i < 100 { 30 } else { 180 }));
    let fixed = replay(FIXED_50, &slower);
    assert_eq!((fixed.runs.discarded, fixed.resynchronised), (51, 1));
    assert_eq!(replay(FIXED_200, &slower).runs.discarded, 0);
    let adaptive = replay(ADAPTIVE, &slower);
    assert!(adaptive.runs.discarded < 51 && adaptive.slots[200..].iter().all(|slot| *slot == Slot::Received));
}

/// After a failover the new server's clock starts at another base: without a new anchor all of it would be late.
#[test]
fn a_new_segment_has_its_own_anchor() {
    let [before, after] = [0, 100].map(|first| arrivals(first, &[30; 100]));
    let after = Segment::of(Span::from_millis(2_000 - 1_500), INTERVAL, after);
    assert_eq!(replay(FIXED_50, &[Segment::of(Span::ZERO, INTERVAL, before), after]).runs.missing(), 0);
}

#[test]
fn a_slow_first_packet_does_not_set_the_clock() {
    let slow_start = stream((0..100).map(|i| if i == 0 { 400 } else { 30 }));
    assert_eq!(replay(FIXED_50, &slow_start).runs.discarded, 1);
}

/// 40 ms of depth while the path is smooth, 140 ms (100 ms of spread, 40 ms of margin) once it is not.
#[test]
fn the_depth_is_told_for_each_part() {
    let worse = stream((0..1000).map(|i| if i >= 500 && i % 10 == 9 { 130 } else { 30 }));
    let replay = replay(ADAPTIVE, &worse);
    let of = |part: Range<usize>| replay.nominal_ms_of(&[part]);
    assert_eq!((of(0..500), of(900..1000)), (Some(40.0), Some(140.0)));
    assert!((replay.nominal_ms.unwrap() - f64::midpoint(of(0..500).unwrap(), of(500..1000).unwrap())).abs() < 1e-9);
    assert_eq!(replay.nominal_ms_of(&[0..100, 900..1000]), Some(90.0));
    assert_eq!((of(7..7), of(990..5000)), (None, Some(140.0)));
}

#[test]
fn nothing_arrived() {
    let silent = replay(ADAPTIVE, &stream([-1; 10]));
    assert_eq!((silent.runs.lost, silent.nominal_ms), (10, None));
    assert_eq!(replay(FIXED_50, &[]).runs.slots, 0);
}

proptest! {
    #[test]
    fn every_packet_has_a_fate_and_a_deeper_buffer_never_loses_more_at_first(
        transits in prop::collection::vec(-1i64..300, 0..50)
    ) {
        let packets = stream(transits);
        let counts = |profile| replay(profile, &packets).runs;
        prop_assert_eq!(counts(FIXED_50).slots, packets[0].len() as u64);
        prop_assert!(counts(FIXED_200).discarded <= counts(FIXED_50).discarded);
        prop_assert_eq!(counts(ADAPTIVE).lost, counts(FIXED_50).lost);
    }
}

/// A replay that takes no short way.
fn packet_by_packet(profile: Profile, stream: &[Segment]) -> Replay {
    let mut fates = Fates::default();
    for segment in stream {
        let Some(mut buffer) = Buffer::new(profile, segment) else {
            fates.push(Slot::Lost, segment.len());
            continue;
        };
        for transit in segment.transits() {
            let depth = buffer.depth();
            fates.note_depth(depth);
            let slot = buffer.take(*transit);
            fates.mean.add(depth, u64::from(slot != Slot::Lost));
            fates.push(slot, 1);
        }
        fates.resynchronised += buffer.resynchronised();
    }
    let replay = fates.replay(profile);
    Replay { runs: Runs::count(replay.slots.iter().copied()), ..replay }
}

proptest! {
    /// Streams that need no buffer, a shallow one, a deep one and more, with one clock or several, some of them longer
    /// than what is remembered.
    #[test]
    fn the_short_ways_through_all_buffers_lead_where_the_long_one_does(
        most in prop_oneof![Just(1i64), Just(49), Just(60), Just(199), Just(230), Just(900)],
        interval_ms in prop_oneof![3 => Just(20i64), 1 => Just(30), 1 => Just(60), 1 => 1i64..2000],
        segments in prop::collection::vec(prop_oneof![
            prop::collection::vec((0i64..1000, 0u8..12), 0..90),
            prop::collection::vec((0i64..1000, 0u8..255), 400..1400),
        ], 0..4),
    ) {
        let interval = Span::from_millis(interval_ms);
        let arrival = |(i, (transit, lost)): (i64, &(i64, u8))| {
            (*lost > 0).then(|| RunTime::from_millis(interval_ms * i + transit % (most + 1)))
        };
        let of = |packets: &Vec<(i64, u8)>| Segment::of(Span::ZERO, interval, (0..).zip(packets).map(arrival));
        let stream: Vec<Segment> = segments.iter().map(of).collect();
        let long = Profile::ALL.map(|profile| packet_by_packet(profile, &stream));
        prop_assert_eq!(replays(&stream), long.clone());
        prop_assert_eq!(Profile::ALL.map(|profile| replay(profile, &stream)), long);
    }

    /// What arrives in runs is what arrives one by one, whatever the clocks say.
    #[test]
    fn runs_arrive_like_their_packets(
        (media, interval) in prop_oneof![Just((0i64, 20_000_000i64)), (any::<i64>(), 0i64..i64::MAX)],
        at in prop_oneof![0i64..1_000_000_000, any::<i64>()],
        since in prop::collection::vec(0u32..1 << 31, 0..20),
        (place, packets) in (0usize..20, 0usize..40),
    ) {
        let clock = || Segment::new(Span(media), Span(interval), packets);
        let (mut run, mut single) = (clock(), clock());
        run.arrive(place, RunTime(at), &since);
        let mut at = RunTime(at);
        for (place, since) in (place..).zip(std::iter::once(&0).chain(&since)) {
            at += Span((*since).into());
            single.arrive(place, at, &[]);
        }
        prop_assert_eq!(run, single);
    }
}
