use calamine::ExcelDateTimeType;

use super::*;

fn plain(value: &Data) -> String {
    text(value, &Notation::default())
}

#[test]
fn numbers_have_no_rounding_errors() {
    for (number, expected) in [
        (2.0, "2"),
        (0.1 + 0.2, "0.3"),
        (-1234.5, "-1234.5"),
        (1.0 / 3.0, "0.333333333333333"),
        (0.0, "0"),
        (200_076_000_400.0, "200076000400"),
        (1e300, "1e300"),
        (f64::NAN, ""),
    ] {
        assert_eq!(plain(&Data::Float(number)), expected);
    }
}

#[test]
fn percentages_have_no_rounding_errors() {
    let percent = Notation::read("0%");
    for (value, expected) in [
        (Data::Float(0.45), "45%"),
        (Data::Float(0.07), "7%"),
        (Data::Float(-0.125), "-12.5%"),
        (Data::Float(1.0 / 3.0), "33.3333%"),
        (Data::Int(1), "100%"),
        (Data::Float(f64::MAX), ""),
        (Data::String("pendiente".to_owned()), "pendiente"),
    ] {
        assert_eq!(text(&value, &percent), expected);
    }
    assert_eq!(text(&Data::Int(21), &Notation::read("0000")), "0021");
}

#[test]
fn dates_are_written_as_iso_dates() {
    for (value, expected) in [
        (46_338.0, "2026-11-12"),
        (46_338.395_833_333, "2026-11-12 09:30"),
        (0.395_833_333, "09:30"),
        (1.0, "1900-01-01"),
        (46_338.999_999_99, "2026-11-13"),
        (-5.0, "-5"),
        (1e18, "1000000000000000000"),
    ] {
        let moment = ExcelDateTime::new(value, ExcelDateTimeType::DateTime, false);
        assert_eq!(plain(&Data::DateTime(moment)), expected, "{value}");
    }
    let apple = ExcelDateTime::new(46_338.0 - 1_462.0, ExcelDateTimeType::DateTime, true);
    assert_eq!(plain(&Data::DateTime(apple)), "2026-11-12");
    let duration = ExcelDateTime::new(1.5, ExcelDateTimeType::TimeDelta, false);
    assert_eq!(plain(&Data::DateTime(duration)), "36:00:00");
}
