//! Goldens of the narrowband model. "Independent" means a separate implementation of the Recommendation in another
//! language, which agrees with two published golden sets.

use proptest::prelude::*;

use super::super::g113::lookup;
use super::*;

fn close(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{got} instead of {want}");
}

fn rate(connection: &Connection) -> Score<Narrowband, Components> {
    assess(connection).unwrap()
}

fn lossy(t_ms: f64, ie: f64, bpl: f64, ppl: f64) -> Connection {
    Connection { equipment: Equipment::given(ie, bpl), ppl, ..Connection::with_delay(t_ms) }
}

/// Independent, all components at T = 0.
#[test]
fn the_default_connection_component_by_component() {
    let score = rate(&Connection::default());
    let c = score.components;
    let golden = [
        (c.no, -61.179_214),
        (c.nos, -75.744),
        (c.nor, -83.357_814),
        (c.pre, 35.638_92),
        (c.nfo, -62.0),
        (c.ro, 94.768_822),
        (c.xolr, 10.164_157),
        (c.iolr, 0.440_178),
        (c.stmro, 14.999_957),
        (c.ist, -0.000_715),
        (c.iq, 0.974_105),
        (c.is, 1.413_568),
        (c.idte, 0.0),
        (c.idle, 0.149_046),
        (c.idd, 0.0),
        (c.ie_eff, 0.0),
        (score.r.value(), 93.206_208),
        (score.mos.value(), 4.409_406),
    ];
    for (i, (got, want)) in golden.into_iter().enumerate() {
        assert!((got - want).abs() <= 6e-7, "component {i}: {got} instead of {want}");
    }
    assert!(!score.validity.outside_validity);
    assert_eq!((score.model, score.mos_label), ("ITU-T G.107 (06/2015)", "MOS-CQEN"));
}

/// Independent: T = Ta, Tr = 2T. (T, R, Idte, Idle, Idd)
#[test]
fn delay_table() {
    let golden = [
        (50.0, 91.7562, 1.0229, 0.5761, 0.0),
        (100.0, 90.6637, 1.9638, 0.7277, 0.0),
        (125.0, 90.1644, 2.3989, 0.7873, 0.0046),
        (150.0, 89.5391, 2.8118, 0.8407, 0.1635),
        (200.0, 85.8047, 3.5708, 0.9353, 3.0444),
        (250.0, 79.1771, 4.2429, 1.0186, 8.9167),
        (300.0, 72.6664, 4.8339, 1.0943, 14.7607),
        (400.0, 62.2468, 5.8082, 1.2301, 24.0701),
        (500.0, 54.8032, 6.5641, 1.3521, 30.6359),
    ];
    for (t, r, idte, idle, idd) in golden {
        let score = rate(&Connection::with_delay(t));
        close(score.r.value(), r, 5e-5);
        close(score.components.idte, idte, 5e-5);
        close(score.components.idle, idle, 5e-5);
        close(score.components.idd, idd, 5e-5);
    }
}

/// Independent: the remaining points of R and MOS over T.
#[test]
fn ratings_over_delay() {
    let golden = [
        (1.0, 93.2627, 4.4105),
        (10.0, 92.8479, 4.4024),
        (20.0, 92.5313, 4.3960),
        (50.0, 91.7562, 4.3796),
        (75.0, 91.1900, 4.3671),
        (150.0, 89.5391, 4.3275),
        (175.0, 88.2282, 4.2932),
        (200.0, 85.8047, 4.2232),
        (225.0, 82.6055, 4.1186),
        (250.0, 79.1771, 3.9925),
        (300.0, 72.6664, 3.7194),
        (350.0, 67.0269, 3.4547),
        (400.0, 62.2468, 3.2156),
        (450.0, 58.2106, 3.0069),
        (500.0, 54.8032, 2.8280),
        (600.0, 49.4838, 2.5479),
        (800.0, 42.8222, 2.2044),
        (1000.0, 39.0765, 2.0190),
    ];
    for (t, r, mos) in golden {
        let score = rate(&Connection::with_delay(t));
        close(score.r.value(), r, 5e-5);
        close(score.mos.value(), mos, 5e-5);
        assert_eq!(score.validity.outside_validity, t > 500.0, "T {t}");
    }
    close(rate(&Connection::with_delay(1.0)).components.idte, -0.1089, 5e-5);
}

/// Independent: Idd of the classes "low" and "very low".
#[test]
fn delay_sensitivity_classes() {
    let golden = [
        (150.0, 0.1641, 0.0),
        (200.0, 2.253, 0.9498),
        (300.0, 10.0942, 6.1786),
        (400.0, 16.8945, 11.1972),
        (500.0, 21.8751, 15.067),
    ];
    for (ta, low, very_low) in golden {
        close(absolute_delay_impairment(ta, DelaySensitivity::Low), low, 5e-5);
        close(absolute_delay_impairment(ta, DelaySensitivity::VeryLow), very_low, 5e-5);
    }
}

/// Independent: R at T = 150 ms.
#[test]
fn talker_echo_loudness() {
    for (telr, r) in [(65.0, 89.539), (60.0, 87.149), (55.0, 81.979), (50.0, 73.289), (45.0, 62.529)] {
        close(rate(&Connection { telr, ..Connection::with_delay(150.0) }).r.value(), r, 5e-4);
    }
}

/// Independent: R at T = 0 for Ppl 0, 0.5, 1, 2, 3, 5, 10, 20 %, by the names of the G.113 table.
#[test]
fn loss_tables() {
    let golden = [
        ("g711-noplc", [93.206, 83.310, 75.282, 63.047, 54.165, 42.131, 26.773, 15.017]),
        ("g711", [93.206, 91.351, 89.566, 86.195, 83.064, 77.425, 66.141, 51.078]),
        ("g711-repeat", [93.206, 84.244, 76.827, 65.265, 56.668, 44.737, 29.017, 16.593]),
        ("g729a", [82.206, 80.052, 78.006, 74.206, 70.752, 64.706, 53.241, 39.129]),
        ("g7231", [78.206, 75.797, 73.528, 69.366, 65.641, 59.249, 47.555, 33.885]),
        ("gsm-efr", [88.206, 83.920, 80.024, 73.206, 67.437, 58.206, 43.206, 28.206]),
        ("g729e", [89.206, 83.916, 79.206, 71.186, 64.612, 54.473, 38.930, 24.438]),
    ];
    for (codec, ratings) in golden {
        for (ppl, r) in [0.0, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0].into_iter().zip(ratings) {
            let equipment = lookup(codec, None).unwrap();
            close(rate(&Connection { equipment, ppl, ..Connection::default() }).r.value(), r, 5e-4);
        }
    }
}

/// Independent: R and MOS over delay and loss 0, 1, 2, 5 %.
#[test]
fn delay_and_loss_grid() {
    let golden = [
        (0.0, 25.1, 50.0, [(91.7562, 4.3796), (88.1163, 4.2902), (84.7451, 4.1900), (75.9754, 3.8633)]),
        (0.0, 25.1, 150.0, [(89.5391, 4.3275), (85.8993, 4.2261), (82.5281, 4.1159), (73.7584, 3.7680)]),
        (0.0, 25.1, 250.0, [(79.1771, 3.9925), (75.5373, 3.8448), (72.1660, 3.6969), (63.3964, 3.2740)]),
        (11.0, 19.0, 0.0, [(82.2062, 4.1046), (78.0062, 3.9465), (74.2062, 3.7876), (64.7062, 3.3400)]),
        (11.0, 19.0, 50.0, [(80.7562, 4.0523), (76.5562, 3.8875), (72.7562, 3.7235), (63.2562, 3.2669)]),
        (11.0, 19.0, 150.0, [(78.5391, 3.9676), (74.3391, 3.7933), (70.5391, 3.6222), (61.0391, 3.1537)]),
        (11.0, 19.0, 250.0, [(68.1771, 3.5104), (63.9771, 3.3034), (60.1771, 3.1092), (50.6771, 2.6106)]),
    ];
    for (ie, bpl, t, points) in golden {
        for (ppl, (r, mos)) in [0.0, 1.0, 2.0, 5.0].into_iter().zip(points) {
            let score = rate(&lossy(t, ie, bpl, ppl));
            close(score.r.value(), r, 6e-5);
            close(score.mos.value(), mos, 6e-5);
        }
    }
}

/// A long loss run at Ppl < 2 % exceeds BurstR 8 as well: 1.701 s in 300 s.
#[test]
fn rare_long_runs_are_outside_too() {
    let score = rate(&Connection { burst_r: 85.5, ..lossy(0.0, 0.0, 25.1, 0.573) });
    assert_eq!(score.validity.reasons.len(), 1, "{:?}", score.validity.reasons);
    assert!(score.validity.reasons[0].contains("BurstR"));
}

#[test]
fn bad_inputs_are_named_with_value_and_range() {
    let cases = [
        (Connection { ppl: f64::NAN, ..Connection::default() }, "Ppl is NaN: ITU-T G.107 (06/2015) takes 0 to 100 %"),
        (Connection { ppl: -2.0, ..Connection::default() }, "Ppl is -2: ITU-T G.107 (06/2015) takes 0 to 100 %"),
        (
            Connection { ta_ms: 1e6, ..Connection::default() },
            "Ta is 1000000: ITU-T G.107 (06/2015) takes 0 to 20000 ms",
        ),
        (
            Connection { burst_r: 0.0, ..Connection::default() },
            "BurstR is 0: ITU-T G.107 (06/2015) takes 0.01 to 1000000000",
        ),
        (Connection { advantage: 21.0, ..Connection::default() }, "A is 21: ITU-T G.107 (06/2015) takes 0 to 20"),
    ];
    for (connection, message) in cases {
        assert_eq!(assess(&connection).unwrap_err().to_string(), message);
    }
}

proptest! {
    #[test]
    fn more_loss_never_raises_r(t in 0.0f64..500.0, ppl in 0.0f64..99.0, more in 0.0f64..1.0, burst_r in 1.0f64..8.0) {
        let call = |ppl| rate(&Connection { burst_r, ..lossy(t, 11.0, 19.0, ppl) }).r.value();
        prop_assert!(call(ppl + more) <= call(ppl));
    }

    #[test]
    fn more_absolute_delay_never_raises_r(ta_ms in 0.0f64..2000.0, more in 0.0f64..100.0) {
        let call = |ta_ms| rate(&Connection { ta_ms, ..Connection::default() }).r.value();
        prop_assert!(call(ta_ms + more) <= call(ta_ms) + 1e-9);
    }

    #[test]
    fn burstier_loss_never_raises_r(ppl in 0.1f64..20.0, burst_r in 1.0f64..100.0, more in 0.0f64..10.0) {
        let call = |burst_r| rate(&Connection { burst_r, ..lossy(0.0, 0.0, 25.1, ppl) }).r.value();
        prop_assert!(call(burst_r + more) <= call(burst_r));
    }

    #[test]
    fn every_computable_input_gives_a_finite_score(
        slr in -100.0f64..150.0, stmr in 0.0f64..40.0, telr in 0.0f64..150.0, t in 0.0f64..20_000.0, qdu in 1.0f64..100.0
    ) {
        let score = rate(&Connection { slr, stmr, telr, qdu, ..Connection::with_delay(t / 2.0) });
        prop_assert!(score.r.value().is_finite() && (1.0..=4.5).contains(&score.mos.value()));
    }
}
