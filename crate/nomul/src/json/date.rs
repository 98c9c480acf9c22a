//! Dates as seconds: the calendar of ISO 8601.

/// Seconds since the start of 1970 of `2024-05-01`, `2024-05-01T12:30`, `2024-05-01 12:30:15.5Z` or with an offset like
/// `+02:00`; none for anything else. Without an offset it is taken as UTC.
pub fn seconds(text: &str) -> Option<f64> {
    let b = text.as_bytes();
    let number = |range: core::ops::Range<usize>| -> Option<i64> {
        let digits = b.get(range)?;
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |n, d| n * 10 + (d - b'0') as i64))
    };
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    if b[4] != b'-' || b[7] != b'-' || !(1..=12).contains(&month) || !(1..=month_days(year, month)).contains(&day) {
        return None;
    }
    let midnight = days(year, month, day) * 86_400;
    if b.len() == 10 {
        return Some(midnight as f64);
    }
    let (hour, minute) = (number(11..13)?, number(14..16)?);
    if !matches!(b[10], b'T' | b't' | b' ') || b[13] != b':' || hour > 24 || minute > 59 {
        return None;
    }
    let (mut rest, mut second, mut fraction) = (16, 0, 0.0);
    if b.get(16) == Some(&b':') {
        second = number(17..19)?;
        rest = 19;
        if b.get(19) == Some(&b'.') {
            let digits = b[20..].iter().take_while(|c| c.is_ascii_digit()).count();
            if digits == 0 {
                return None;
            }
            rest = 20 + digits;
            // Nanoseconds are more than a float keeps.
            let kept = digits.min(9);
            fraction = number(20..20 + kept)? as f64 / libm::pow(10.0, kept as f64);
        }
    }
    let offset = match b.get(rest) {
        None => 0,
        Some(b'Z' | b'z') if b.len() == rest + 1 => 0,
        Some(sign @ (b'+' | b'-')) => {
            let colon = (b.get(rest + 3) == Some(&b':')) as usize;
            let (hours, minutes) = (number(rest + 1..rest + 3)?, number(rest + 3 + colon..rest + 5 + colon)?);
            if b.len() != rest + 5 + colon || hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 3_600 + minutes * 60;
            if *sign == b'-' { -offset } else { offset }
        }
        Some(_) => return None,
    };
    (second <= 60).then_some((midnight + hour * 3_600 + minute * 60 + second - offset) as f64 + fraction)
}

fn month_days(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the start of 1970, in the calendar of today for all times: years are counted from March, so that the odd
/// day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The text of seconds since the start of 1970, to the second, in UTC; the date alone at midnight.
pub fn text(seconds: f64) -> alloc::string::String {
    let seconds = libm::round(seconds.clamp(-6.2e10, 2.5e11)) as i64;
    let (day, time) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // The year is about right, then it is made right.
    let mut year = 1970 + day.div_euclid(366);
    while days(year + 1, 1, 1) <= day {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days(year, month + 1, 1) <= day {
        month += 1;
    }
    let date = alloc::format!("{year:04}-{month:02}-{:02}", day - days(year, month, 1) + 1);
    if time == 0 {
        return date;
    }
    alloc::format!("{date}T{:02}:{:02}:{:02}Z", time / 3_600, time / 60 % 60, time % 60)
}
