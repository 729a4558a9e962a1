//! How often the gate raises a false alarm, and how often it sees a planted shift: 1,000 seeded comparisons for each line.

use fivenines::analysis::compare::Options;
use fivenines::analysis::compare::simulation::{Law, Outcomes, World, outcomes};
use fivenines::analysis::stats::{clopper_pearson, power_of_shift};

const COMPARISONS: u32 = 1_000;

fn main() {
    false_alarms();
    power();
}

/// Equal worlds. Without tolerance the whole of alpha may be spent; with it hardly anything is.
fn false_alarms() {
    println!("A/A, 2 faults x 4 services and 12 figures of media quality together, nominal 5 %\n");
    println!(
        "  {:<12} {:>3} {:>10}  {:>8}  {:<14} {:>8} {:>8}",
        "law", "n", "tolerance", "fail", "95 % interval", "unknown", "pass"
    );
    for law in [Law::Normal, Law::Uniform, Law::Exponential] {
        for trials in [6, 10, 17] {
            let world = World { trials, faults: 2, services: 4, quality: true, mean_ms: 3_109.0, sd_ms: 289.0, law };
            for (name, options) in [("none", Options::without_tolerance()), ("default", Options::default())] {
                let got = outcomes(&world, 0.0, &options, COMPARISONS, 7);
                let interval = interval(got.fail);
                println!(
                    "  {:<12} {trials:>3} {name:>10}  {:>7.1}%  {interval:<14} {:>7.1}% {:>7.1}%",
                    format!("{law:?}"),
                    percent(got.fail),
                    percent(got.unknown),
                    percent(got.pass)
                );
            }
        }
    }
}

/// One service, normal, sd 100 ms, tolerance 100 ms: the shift beyond the tolerance is what must be seen.
fn power() {
    println!("\nplanted shifts, one service, sd 100 ms, tolerance 100 ms\n");
    println!(
        "  {:>3} {:>9}  {:>8}  {:<14} {:>10} {:>8} {:>8}",
        "n", "shift", "fail", "95 % interval", "predicted", "unknown", "pass"
    );
    for trials in [8, 17, 26] {
        for beyond in [0.0, 50.0, 80.0, 100.0, 150.0, 200.0] {
            let world = World {
                trials,
                faults: 1,
                services: 1,
                quality: false,
                mean_ms: 700.0,
                sd_ms: 100.0,
                law: Law::Normal,
            };
            let Outcomes { fail, unknown, pass } =
                outcomes(&world, 100.0 + beyond, &Options::default(), COMPARISONS, 9);
            let predicted = match beyond {
                0.0 => 0.025,
                _ => power_of_shift(beyond / 100.0, trials, trials, 0.05).unwrap_or(f64::NAN),
            };
            println!(
                "  {trials:>3} {:>6.0} ms  {:>7.1}%  {:<14} {:>9.1}% {:>7.1}% {:>7.1}%",
                100.0 + beyond,
                percent(fail),
                interval(fail),
                100.0 * predicted,
                percent(unknown),
                percent(pass)
            );
        }
    }
}

fn percent(count: u32) -> f64 {
    100.0 * f64::from(count) / f64::from(COMPARISONS)
}

fn interval(count: u32) -> String {
    clopper_pearson(u64::from(count), u64::from(COMPARISONS), 0.95)
        .map_or_else(|_| "-".to_owned(), |i| format!("{:.1} to {:.1}", 100.0 * i.low, 100.0 * i.high))
}
