//! The kernel's own emulator of bad paths.

use super::{Impairment, Loss};

/// The impairment in the words of tc-netem(8).
pub(super) fn words(of: Impairment) -> String {
    let percent = |ppm: u32| format!("{}%", f64::from(ppm) / 1e4);
    let mut words = vec!["netem limit 65536".to_owned()];
    if of.delay.as_nanos() > 0 {
        words.push(format!("delay {}us {}us", of.delay.as_nanos() / 1000, of.jitter.as_nanos() / 1000));
    }
    match of.loss {
        Loss::None => {}
        Loss::Random { ppm } => words.push(format!("loss random {}", percent(ppm))),
        Loss::GilbertElliott { to_bad_ppm, to_good_ppm, bad_ppm, good_ppm } => {
            let [p, r, bad, good] = [to_bad_ppm, to_good_ppm, bad_ppm, good_ppm].map(percent);
            words.push(format!("loss gemodel {p} {r} {bad} {good}"));
        }
    }
    if of.reordered_ppm > 0 {
        words.push(format!("reorder {}", percent(of.reordered_ppm)));
    }
    if of.kbit_per_s > 0 {
        words.push(format!("rate {}kbit", of.kbit_per_s));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Span;

    /// Keywords of tc-netem(8): OPTIONS.
    #[test]
    fn an_impairment_is_told_in_netems_words() {
        let bursts = Loss::GilbertElliott { to_bad_ppm: 5_000, to_good_ppm: 250_000, bad_ppm: 1_000_000, good_ppm: 0 };
        let impairment = Impairment {
            delay: Span::from_millis(40),
            jitter: Span::from_millis(10),
            loss: bursts,
            reordered_ppm: 10_000,
            kbit_per_s: 512,
        };
        let told = "netem limit 65536 delay 40000us 10000us loss gemodel 0.5% 25% 100% 0% reorder 1% rate 512kbit";
        assert_eq!(super::words(impairment), told);
        let loss = Impairment { loss: Loss::Random { ppm: 25_000 }, ..Impairment::default() };
        assert_eq!(super::words(loss), "netem limit 65536 loss random 2.5%");
    }
}
