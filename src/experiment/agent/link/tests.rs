use super::*;

const EVERY: Span = Span::from_millis(20);

/// Packets of 200 octets each 20 ms: for each its delay in ms, `None` when it was lost, in order of sending.
fn travel(impairment: Impairment, packets: usize) -> Vec<Option<f64>> {
    let mut line = Line::new(impairment, 7);
    let mut delays = vec![None; packets];
    let mut arrived = |line: &mut Line<usize>, now: RunTime| {
        while let Some((due, index)) = line.poll(now) {
            assert!(due <= now);
            delays[index] = Some((due - RunTime(index as i64 * EVERY.as_nanos())).as_millis_f64());
        }
    };
    for index in 0..packets {
        let now = RunTime(index as i64 * EVERY.as_nanos());
        arrived(&mut line, now);
        line.handle(now, index, 200);
    }
    arrived(&mut line, RunTime(i64::MAX));
    assert_eq!(line.passed().left + line.passed().lost + line.passed().overflowed, packets as u64);
    delays
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    sum / f64::from(n)
}

#[test]
fn a_good_path_lets_everything_through_at_once() {
    assert!(travel(Impairment::default(), 100).iter().all(|delay| *delay == Some(0.0)));
}

/// Even on 30 … 50 ms: mean 40, standard deviation 20/√12 = 5.774. With 20 ms between packets none waits for another.
#[test]
fn the_delay_has_the_law_that_was_asked_for() {
    let impairment =
        Impairment { delay: Span::from_millis(40), jitter: Span::from_millis(10), ..Impairment::default() };
    let delays: Vec<f64> = travel(impairment, 10_000).into_iter().flatten().collect();
    assert!(delays.iter().all(|delay| (30.0..=50.0).contains(delay)));
    let centre = mean(delays.iter().copied());
    let deviation = mean(delays.iter().map(|delay| (delay - centre).powi(2))).sqrt();
    // Four standard errors: 5.774/√10000 = 0.058 of the mean; of the deviation σ√((κ−1)/4n), κ = 1.8, 0.026.
    assert!((centre - 40.0).abs() < 0.24 && (deviation - 5.774).abs() < 0.11, "{centre} ± {deviation}");
}

/// 100 ± 100 ms with packets each 20 ms: many draws would overtake, and none does.
#[test]
fn nothing_overtakes_unless_it_is_asked_for() {
    let jittery = Impairment { delay: Span::from_millis(100), jitter: Span::from_millis(100), ..Impairment::default() };
    // In whole microseconds: two that leave together are not apart by a rounding error.
    let arrivals = |impairment| -> Vec<i64> {
        let delays = travel(impairment, 2_000);
        let at = |(at, delay): (usize, &Option<f64>)| delay.map(|ms| at as i64 * 20_000 + (ms * 1e3).round() as i64);
        delays.iter().enumerate().filter_map(at).collect()
    };
    assert!(arrivals(jittery).is_sorted());
    let overtaken = arrivals(Impairment { reordered_ppm: 50_000, ..jittery });
    let early = overtaken.windows(2).filter(|pair| pair[1] < pair[0]).count();
    // 2000 packets, 5 %: 100 ± 10; a few of them find nothing that travels.
    assert!((50..=130).contains(&early), "{early}");
}

#[test]
fn random_loss_is_the_share_that_was_asked_for_and_comes_singly() {
    let lost = losses(Loss::Random { ppm: 100_000 });
    assert!((share(&lost) - 0.1).abs() < 4.0 * (0.1_f64 * 0.9 / N as f64).sqrt(), "{}", share(&lost));
    // Runs of a Bernoulli sequence have a mean of 1/(1 − p).
    assert!((mean_run(&lost) - 1.0 / 0.9).abs() < 0.02, "{}", mean_run(&lost));
}

/// p = 1 %, r = 25 %, all lost in the bad state: share 0.01/0.26 = 3.846 %, runs of 1/r = 4 packets.
#[test]
fn bursts_are_as_long_as_the_bad_state_lasts() {
    let loss = Loss::GilbertElliott { to_bad_ppm: 10_000, to_good_ppm: 250_000, bad_ppm: 1_000_000, good_ppm: 0 };
    assert!((loss.share() - 0.038_461_5).abs() < 1e-6);
    let lost = losses(loss);
    assert!((share(&lost) - loss.share()).abs() < 0.003, "{}", share(&lost));
    assert!((mean_run(&lost) - 4.0).abs() < 0.2, "{}", mean_run(&lost));
}

/// p = 5 %, r = 20 %, half lost in the bad state and 1 % in the good one: (0.05 · 0.5 + 0.2 · 0.01)/0.25 = 10.8 %.
#[test]
fn both_states_may_lose() {
    let loss = Loss::GilbertElliott { to_bad_ppm: 50_000, to_good_ppm: 200_000, bad_ppm: 500_000, good_ppm: 10_000 };
    assert!((loss.share() - 0.108).abs() < 1e-12);
    assert!((share(&losses(loss)) - 0.108).abs() < 0.004);
}

/// 214 octets each 20 ms are 85.6 kbit/s. At 100 kbit/s each takes 17.12 ms and none waits; at 80 kbit/s (21.4 ms)
/// each waits 1.4 ms longer than the one before, until the queue is full: 80/85.6 of them pass.
#[test]
fn a_slow_line_delays_by_its_rate_and_drops_what_finds_its_queue_full() {
    let at = |kbit_per_s| travel(Impairment { kbit_per_s, ..Impairment::default() }, 10_000);
    assert!(at(100).iter().all(|delay| (delay.unwrap() - 17.12).abs() < 1e-6));
    let slow = at(80);
    assert!((slow[100].unwrap() - (21.4 + 140.0)).abs() < 1e-6, "{:?}", slow[100]);
    let passed = slow.iter().flatten().count() as f64 / slow.len() as f64;
    assert!((passed - 80.0 / 85.6).abs() < 0.005, "{passed}");
    assert!(slow.iter().flatten().all(|delay| *delay <= LONGEST_QUEUE.as_millis_f64() + 21.4));
}

#[test]
fn an_impairment_is_told_in_words() {
    let loss = Loss::GilbertElliott { to_bad_ppm: 10_000, to_good_ppm: 250_000, bad_ppm: 1_000_000, good_ppm: 0 };
    let (delay, jitter) = (Span::from_millis(40), Span::from_millis(10));
    let all = Impairment { delay, jitter, loss, reordered_ppm: 5_000, kbit_per_s: 512 };
    assert_eq!(all.to_string(), "40 ms ± 10 ms, 3.85 % lost in bursts, 0.5 % reordered, 512 kbit/s");
}

#[test]
fn the_same_seed_gives_the_same_fates() {
    let impairment =
        Impairment { loss: Loss::Random { ppm: 300_000 }, jitter: Span(5), delay: Span(9), ..Impairment::default() };
    assert_eq!(travel(impairment, 500), travel(impairment, 500));
}

const N: usize = 100_000;

fn losses(loss: Loss) -> Vec<bool> {
    travel(Impairment { loss, ..Impairment::default() }, N).iter().map(Option::is_none).collect()
}

fn share(lost: &[bool]) -> f64 {
    lost.iter().filter(|lost| **lost).count() as f64 / lost.len() as f64
}

fn mean_run(lost: &[bool]) -> f64 {
    let starts = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count() + usize::from(lost[0]);
    lost.iter().filter(|lost| **lost).count() as f64 / starts as f64
}
