//! Numbers as people say them.

/// "1 node", "2 nodes".
pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// 1234567 as 1,234,567.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

/// Three digits that mean something, and none that don't.
pub(crate) fn significant(value: f64) -> String {
    let text = match value.abs() {
        v if v >= 99.95 => return grouped(v.round() as u64),
        v if v >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Milliseconds as a person says them.
pub(crate) fn time(millis: f64) -> String {
    match millis {
        ms if ms >= 59_995.0 => format!("{:.0} min {:02.0} s", (ms / 60_000.0).floor(), (ms % 60_000.0) / 1000.0),
        ms if ms >= 999.5 => format!("{:.2} s", ms / 1000.0),
        ms if ms >= 9.95 => format!("{ms:.0} ms"),
        ms => format!("{ms:.1} ms"),
    }
}

/// Bytes in units of 2^20, without the unit.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.0}", bytes as f64 / 1_048_576.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        assert_eq!([grouped(7), grouped(1234), grouped(1_000_000)], ["7", "1,234", "1,000,000"]);
        assert_eq!(
            [significant(0.0), significant(7.5), significant(34.21), significant(1234.5)],
            ["0", "7.5", "34.2", "1,235"]
        );
        assert_eq!([time(0.42), time(42.0), time(1234.0), time(61_000.0)], ["0.4 ms", "42 ms", "1.23 s", "1 min 01 s"]);
    }
}
