//! `tojson`, as Python writes JSON.

use minijinja::{
    Error, ErrorKind,
    value::{Kwargs, Value, ValueKind},
};

/// `tojson` as transformers has it: as Python writes JSON, without escapes for HTML.
pub fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    let ensure_ascii: Option<bool> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let mut json = String::new();
    write_json(value, Style { indent, ascii: ensure_ascii.unwrap_or(false) }, 0, &mut json)?;
    Ok(Value::from(json))
}

#[derive(Clone, Copy)]
struct Style {
    /// Spaces a level; `None`: all on one line.
    indent: Option<usize>,
    /// Other characters are escaped.
    ascii: bool,
}

/// Lists within lists that are written.
const DEEPEST: usize = 128;

fn write_json(value: &Value, style: Style, depth: usize, json: &mut String) -> Result<(), Error> {
    let refuse = |what: &str| Err(Error::new(ErrorKind::InvalidOperation, format!("tojson: {what}")));
    if depth > DEEPEST {
        return refuse("too deep");
    }
    let line = |depth: usize, json: &mut String| {
        if let Some(indent) = style.indent {
            json.push('\n');
            json.extend(std::iter::repeat_n(' ', indent * depth));
        }
    };
    let separator = if style.indent.is_some() { "," } else { ", " };
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => json.push_str("null"),
        ValueKind::Bool => json.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number if value.is_integer() => json.push_str(&value.to_string()),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) => write_number(number, json),
            Err(error) => return Err(error),
        },
        ValueKind::String => write_text(value.as_str().unwrap_or_default(), style, json),
        ValueKind::Map => {
            json.push('{');
            let mut is_first = true;
            for key in value.try_iter()? {
                json.push_str(if std::mem::take(&mut is_first) { "" } else { separator });
                line(depth + 1, json);
                write_text(&key.to_string(), style, json);
                json.push_str(": ");
                write_json(&value.get_item(&key)?, style, depth + 1, json)?;
            }
            if !is_first {
                line(depth, json);
            }
            json.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            json.push('[');
            let mut is_first = true;
            for item in value.try_iter()? {
                json.push_str(if std::mem::take(&mut is_first) { "" } else { separator });
                line(depth + 1, json);
                write_json(&item, style, depth + 1, json)?;
            }
            if !is_first {
                line(depth, json);
            }
            json.push(']');
        }
        kind => return refuse(&format!("{kind} is not JSON")),
    }
    Ok(())
}

/// As Python writes it, whose exponents have a sign and two digits.
fn write_number(number: f64, json: &mut String) {
    if !number.is_finite() {
        let sign = if number < 0.0 { "-" } else { "" };
        json.push_str(&if number.is_nan() { "NaN".into() } else { format!("{sign}Infinity") });
        return;
    }
    let shortest = format!("{number:?}");
    match shortest.split_once('e') {
        None => json.push_str(&shortest),
        Some((digits, exponent)) => {
            let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
            json.push_str(&format!("{digits}e{sign}{exponent:0>2}"));
        }
    }
}

fn write_text(text: &str, style: Style, json: &mut String) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            c if c < ' ' || style.ascii && c > '~' => {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| json.push_str(&format!("\\u{unit:04x}")));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}
