//! The one-sample Kolmogorov–Smirnov test: do measured values follow a law that was stated beforehand?

use super::StatsError;

/// From here on the limiting distribution serves; it is then off by less than 0.002.
const LIMIT_FROM_N: usize = 140;

/// Result of the test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct KolmogorovSmirnov {
    /// Values.
    pub n: usize,
    /// Largest distance between the empirical distribution and the law, 0 to 1.
    pub d: f64,
    /// Probability of a distance at least as large if the law holds. The law must not have been fitted to the
    /// same values.
    pub p: f64,
}

/// Tests `values` against the law with distribution function `cdf`.
///
/// The probability is exact (Durbin's matrix in the form of Marsaglia, Tsang and Wang, J. Stat. Softw. 8(18), 2003)
/// for fewer than 140 values, and Kolmogorov's limit beyond.
///
/// # Errors
/// Without values, or when one is not finite.
pub fn kolmogorov_smirnov(values: &[f64], cdf: impl Fn(f64) -> f64) -> Result<KolmogorovSmirnov, StatsError> {
    if let Some(value) = values.iter().copied().find(|value| !value.is_finite()) {
        return Err(StatsError::NotFinite { what: "a value", value });
    }
    let n = values.len();
    if n == 0 {
        return Err(StatsError::TooFew { what: "a Kolmogorov–Smirnov test", needed: 1, n });
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let distance = |(rank, value): (usize, &f64)| {
        let expected = cdf(*value).clamp(0.0, 1.0);
        (expected - rank as f64 / n as f64).max((rank as f64 + 1.0) / n as f64 - expected)
    };
    let d = sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
    Ok(KolmogorovSmirnov { n, d, p: (1.0 - below(n, d)).clamp(0.0, 1.0) })
}

/// Probability that the distance of `n` values is below `d`.
fn below(n: usize, d: f64) -> f64 {
    if d >= 1.0 {
        1.0
    } else if n >= LIMIT_FROM_N {
        limit((n as f64).sqrt() * d)
    } else {
        exact(n, d)
    }
}

/// Kolmogorov's limiting distribution, by the series that converges fast where its argument is not small.
fn limit(x: f64) -> f64 {
    if x < 0.2 {
        return 0.0;
    }
    let term = |k: i32| f64::from(1 - 2 * (k % 2)) * (-2.0 * f64::from(k * k) * x * x).exp();
    1.0 + 2.0 * (1..=100).map(term).sum::<f64>()
}

fn exact(n: usize, d: f64) -> f64 {
    let reach = n as f64 * d;
    let k = reach.floor() as usize + 1;
    let matrix = Matrix::durbin(k, k as f64 - reach);
    let (power, mut exponent) = matrix.power(n);
    let mut probability = power.at(k - 1, k - 1);
    for rank in 1..=n {
        probability *= rank as f64 / n as f64;
        if probability < 1e-140 {
            probability *= 1e140;
            exponent -= 140;
        }
    }
    probability * 10_f64.powi(exponent)
}

/// A square matrix, row by row.
#[derive(Clone, Debug)]
struct Matrix {
    size: usize,
    cells: Vec<f64>,
}

impl Matrix {
    fn at(&self, row: usize, column: usize) -> f64 {
        self.cells[row * self.size + column]
    }

    fn durbin(k: usize, h: f64) -> Matrix {
        let size = 2 * k - 1;
        let mut cells = vec![0.0; size * size];
        for row in 0..size {
            for column in 0..size.min(row + 2) {
                cells[row * size + column] = 1.0;
            }
        }
        for place in 0..size {
            cells[place * size] -= h.powi(place as i32 + 1);
            cells[(size - 1) * size + place] -= h.powi((size - place) as i32);
        }
        if 2.0 * h > 1.0 {
            cells[(size - 1) * size] += (2.0 * h - 1.0).powi(size as i32);
        }
        for row in 0..size {
            for column in 0..=row {
                let factorial: f64 = (1..=row - column + 1).map(|g| g as f64).product();
                cells[row * size + column] /= factorial;
            }
        }
        Matrix { size, cells }
    }

    fn times(&self, other: &Matrix) -> Matrix {
        let size = self.size;
        let cell = |place: usize| {
            let (row, column) = (place / size, place % size);
            (0..size).map(|inner| self.at(row, inner) * other.at(inner, column)).sum()
        };
        Matrix { size, cells: (0..size * size).map(cell).collect() }
    }

    /// The power, and the power of ten that was taken out of it.
    fn power(&self, n: usize) -> (Matrix, i32) {
        if n <= 1 {
            return (self.clone(), 0);
        }
        let (half, exponent) = self.power(n / 2);
        let mut whole = half.times(&half);
        let mut exponent = 2 * exponent;
        if n % 2 == 1 {
            whole = whole.times(self);
        }
        let middle = (self.size / 2) * self.size + self.size / 2;
        if whole.cells[middle] > 1e140 {
            whole.cells.iter_mut().for_each(|cell| *cell *= 1e-140);
            exponent += 140;
        }
        (whole, exponent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Marsaglia, Tsang and Wang give K(10, 0.274) as the example of their paper.
    #[test]
    fn the_exact_distribution_has_the_published_value() {
        assert!((below(10, 0.274) - 0.628_479_615_456_5).abs() < 1e-12, "{}", below(10, 0.274));
    }

    /// Upper 5 % points of D (Birnbaum, J. Am. Stat. Assoc. 47, 1952; Miller, ibid. 51, 1956).
    #[test]
    fn critical_values_of_small_samples_are_the_tables() {
        for (n, critical) in [(6, 0.519_26), (10, 0.409_25), (15, 0.337_60), (20, 0.294_08), (40, 0.210_12)] {
            assert!((1.0 - below(n, critical) - 0.05).abs() < 1e-4, "n = {n}: {}", 1.0 - below(n, critical));
        }
    }

    #[test]
    fn the_limit_meets_the_exact_distribution() {
        for d in [0.05, 0.08, 0.1, 0.12] {
            let n = LIMIT_FROM_N - 1;
            // Their difference falls with the root of n (Kolmogorov 1933): 0.02 here, in the middle.
            assert!((exact(n, d) - limit((n as f64).sqrt() * d)).abs() < 0.025, "{d}");
        }
    }

    #[test]
    fn one_value_is_as_far_from_the_law_as_it_lies() {
        // One value at the law's 0.3: the empirical step goes from 0 to 1 there, so d = 0.7, and
        // P(D ≥ 0.7) = 2 · 0.3.
        let test = kolmogorov_smirnov(&[0.3], |x| x).unwrap();
        assert!((test.d - 0.7).abs() < 1e-12 && (test.p - 0.6).abs() < 1e-12, "{test:?}");
        assert!(kolmogorov_smirnov(&[], |x| x).is_err());
        assert!(kolmogorov_smirnov(&[f64::NAN], |x| x).is_err());
    }

    proptest! {
        // The matrices of many values at a large distance take long without optimization.
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn p_is_a_probability_and_falls_with_d(n in 1_usize..24, a in 0.0_f64..1.0, b in 0.0_f64..1.0) {
            let (low, high) = (a.min(b), a.max(b));
            let (of_low, of_high) = (below(n, low), below(n, high));
            prop_assert!((-1e-9..=1.0 + 1e-9).contains(&of_low));
            prop_assert!(of_low <= of_high + 1e-9, "{of_low} {of_high}");
        }
    }
}
