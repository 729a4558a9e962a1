//! Input checks: an error names the parameter, its value and its range.

/// Why a model refused its inputs.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QualityError {
    /// A parameter is NaN, infinite or outside the range in which the formulas can be computed.
    #[error("{parameter} is {}: {model} takes {low} to {}", plain(*.value), with_unit(*.high, .unit))]
    OutOfRange {
        /// The parameter, by its name in the standard.
        parameter: &'static str,
        /// What it was.
        value: f64,
        /// Lowest value that can be computed.
        low: f64,
        /// Highest value that can be computed.
        high: f64,
        /// Unit of value and range.
        unit: &'static str,
        /// The model that refused.
        model: &'static str,
    },
    /// No value that would make the score meaningful has been published.
    #[error("no score for {what}: {reason}")]
    Unsupported {
        /// The codec, condition or scale.
        what: String,
        /// Why there is none, and what can be done instead.
        reason: String,
    },
}

/// One input of a model with the range that can be computed and the range for which the model was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Input {
    pub name: &'static str,
    pub unit: &'static str,
    pub value: f64,
    pub computable: (f64, f64),
    pub recommended: (f64, f64),
    /// Whether the recommended range is known from memory or a mere mention.
    pub provisional: bool,
}

impl Input {
    /// Refuses what cannot be computed; gives the reason where the value lies outside the recommendation.
    pub(crate) fn check(&self, model: &'static str) -> Result<Option<String>, QualityError> {
        let Input { name: parameter, unit, value, computable: (low, high), recommended, provisional } = *self;
        if !(value >= low && value <= high) {
            return Err(QualityError::OutOfRange { parameter, value, low, high, unit, model });
        }
        let inside = value >= recommended.0 && value <= recommended.1;
        Ok((!inside).then(|| {
            let (is, until) = (with_unit(value, unit), with_unit(recommended.1, unit));
            let mark = if provisional { " (provisional range)" } else { "" };
            format!("{parameter} {is} is outside {} to {until}{mark}", recommended.0)
        }))
    }
}

/// `3 %`, or the bare number for a quantity without unit.
fn with_unit(value: f64, unit: &str) -> String {
    if unit.is_empty() { plain(value) } else { format!("{} {unit}", plain(value)) }
}

/// The number with four decimals at most, or with an exponent where it would fill the line.
fn plain(value: f64) -> String {
    let readable = value == 0.0 || !value.is_finite() || (1e-6..1e15).contains(&value.abs());
    let value = if (0.01..1e10).contains(&value.abs()) { (value * 1e4).round() / 1e4 } else { value };
    if readable { value.to_string() } else { format!("{value:e}") }
}

/// Checks all inputs; the reasons why the model is outside its validity, if any.
pub(crate) fn check_all(model: &'static str, inputs: &[Input]) -> Result<Vec<String>, QualityError> {
    inputs.iter().filter_map(|input| input.check(model).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(value: f64) -> Input {
        Input { name: "Ppl", unit: "%", value, computable: (0.0, 100.0), recommended: (0.0, 20.0), provisional: false }
    }

    #[test]
    fn the_error_names_parameter_value_and_range() {
        let error = loss(-1.0).check("ITU-T G.107").unwrap_err();
        assert_eq!(error.to_string(), "Ppl is -1: ITU-T G.107 takes 0 to 100 %");
        assert_eq!(loss(1e308).check("m").unwrap_err().to_string(), "Ppl is 1e308: m takes 0 to 100 %");
        assert!(loss(f64::NAN).check("ITU-T G.107").is_err());
        assert!(loss(f64::INFINITY).check("ITU-T G.107").is_err());
    }

    #[test]
    fn between_the_ranges_is_computed_and_said_so() {
        assert_eq!(loss(20.0).check("m").unwrap(), None);
        assert_eq!(loss(21.0).check("m").unwrap().unwrap(), "Ppl 21 % is outside 0 to 20 %");
        let from_memory = Input { provisional: true, ..loss(21.0) }.check("m").unwrap().unwrap();
        assert_eq!(from_memory, "Ppl 21 % is outside 0 to 20 % (provisional range)");
    }
}
