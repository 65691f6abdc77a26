//! Quantities as people read them.

use std::time::Duration;

/// `850 µs`, `5.4 ms`, `24 ms`, `1.35 s`.
pub(crate) fn time(duration: Duration) -> String {
    let micros = duration.as_micros() as f64;
    match micros {
        _ if micros < 999.5 => format!("{micros:.0} µs"),
        _ if micros < 9_950.0 => format!("{:.1} ms", micros / 1e3),
        _ if micros < 999_500.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// `0 %`, `0.013 %`, `1.2 %`, `98.9 %`; 100 % only if nothing is missing.
pub(crate) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let digits = match percent {
        _ if percent <= 0.0 || percent >= 100.0 => 0,
        _ if percent < 0.1 => 3,
        // 99.97 must not read as 100.
        _ if percent > 99.9 => 3,
        _ => 1,
    };
    format!("{percent:.digits$} %")
}

/// A share of a whole; nothing of nothing is all of it.
pub(crate) fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

/// With a thin space between thousands: `19 200`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Bytes per second: `75 kB/s`, `12.4 MB/s`.
pub(crate) fn byte_rate(bytes_per_second: f64) -> String {
    match bytes_per_second {
        rate if rate < 9_950.0 => format!("{:.1} kB/s", rate / 1e3),
        rate if rate < 999_500.0 => format!("{:.0} kB/s", rate / 1e3),
        rate if rate < 99_950_000.0 => format!("{:.1} MB/s", rate / 1e6),
        rate => format!("{:.0} MB/s", rate / 1e6),
    }
}

/// Something per second: `960`, `30 998`.
pub(crate) fn rate(per_second: f64) -> String {
    count(per_second.round().max(0.0) as u64)
}

/// A size in bytes: `64 B`, `1 KiB`, `64 KiB`.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        _ if bytes >= 1 << 20 && bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes >= 1 << 10 && bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_read_well() {
        let times =
            [(0, "0 µs"), (850, "850 µs"), (5_432, "5.4 ms"), (24_100, "24 ms"), (1_350_000, "1.35 s")];
        for (micros, expected) in times {
            assert_eq!(time(Duration::from_micros(micros)), expected);
        }
        let shares =
            [(0.0, "0 %"), (1.0, "100 %"), (0.989, "98.9 %"), (0.9999, "99.990 %"), (0.0001, "0.010 %")];
        for (share, expected) in shares {
            assert_eq!(percent(share), expected);
        }
        assert_eq!([count(7), count(960), count(1_234_567)], ["7", "960", "1 234 567"]);
        assert_eq!([byte_rate(75_000.0), byte_rate(12_400_000.0)], ["75 kB/s", "12.4 MB/s"]);
        assert_eq!([size(64), size(1_024), size(65_536), size(1_500)], ["64 B", "1 KiB", "64 KiB", "1500 B"]);
    }
}
