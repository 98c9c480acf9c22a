//! `strftime_now`: dates and times as templates write them.

/// Seconds since the start of 1970.
#[derive(Clone, Copy, Debug)]
pub struct Time(pub i64);

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Time {
    /// Year, month (1..=12), day (1..=31).
    fn date(self) -> (i64, usize, i64) {
        // Years that start in March have their leap day last, and 400 of them are always 146097 days long.
        let days = self.0.div_euclid(86_400) + 719_468;
        let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
        (year + 400 * era, month as usize, day)
    }

    /// As C's `strftime` would in its own language. `None` if the format has a directive that is not known.
    pub fn format(self, format: &str) -> Option<String> {
        let (year, month, day) = self.date();
        let second = self.0.rem_euclid(86_400);
        let (hour, minute) = (second / 3600, second / 60 % 60);
        let (month_name, weekday) = (MONTHS[month - 1], DAYS[(self.0.div_euclid(86_400) + 4).rem_euclid(7) as usize]);
        let mut text = String::new();
        let mut characters = format.chars();
        while let Some(c) = characters.next() {
            if c != '%' {
                text.push(c);
                continue;
            }
            text += &match characters.next()? {
                'Y' => year.to_string(),
                'y' => format!("{:02}", year.rem_euclid(100)),
                'm' => format!("{month:02}"),
                'B' => month_name.into(),
                'b' => month_name[..3].into(),
                'd' => format!("{day:02}"),
                'A' => weekday.into(),
                'a' => weekday[..3].into(),
                'H' => format!("{hour:02}"),
                'I' => format!("{:02}", (hour + 11) % 12 + 1),
                'p' => if hour < 12 { "AM" } else { "PM" }.into(),
                'M' => format!("{minute:02}"),
                'S' => format!("{:02}", second % 60),
                'F' => format!("{year}-{month:02}-{day:02}"),
                'T' => format!("{hour:02}:{minute:02}:{:02}", second % 60),
                '%' => "%".into(),
                _ => return None,
            };
        }
        Some(text)
    }
}
