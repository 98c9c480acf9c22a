//! General categories of characters, as patterns and splits ask for them.

use icu_properties::{CodePointMapData, props::GeneralCategory};

/// A set of general categories, one bit each.
pub type Mask = u32;

/// Every category's two-letter name; its place is its bit.
const NAMES: [&str; 30] = [
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
    "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
];

/// The categories that a name stands for: `Lu`, or `L` for all that start with it.
pub fn category_mask(name: &str) -> Option<Mask> {
    let matching = NAMES.iter().enumerate().filter(|(_, full)| match name.len() {
        1 => full.starts_with(name),
        _ => **full == name,
    });
    Some(matching.fold(0, |mask, (bit, _)| mask | 1 << bit)).filter(|&mask| mask != 0)
}

/// The category of one character, as a mask of one bit.
pub fn mask_of(c: char) -> Mask {
    use GeneralCategory::*;
    let bit = match CodePointMapData::<GeneralCategory>::new().get(c) {
        UppercaseLetter => 0,
        LowercaseLetter => 1,
        TitlecaseLetter => 2,
        ModifierLetter => 3,
        OtherLetter => 4,
        NonspacingMark => 5,
        SpacingMark => 6,
        EnclosingMark => 7,
        DecimalNumber => 8,
        LetterNumber => 9,
        OtherNumber => 10,
        ConnectorPunctuation => 11,
        DashPunctuation => 12,
        OpenPunctuation => 13,
        ClosePunctuation => 14,
        InitialPunctuation => 15,
        FinalPunctuation => 16,
        OtherPunctuation => 17,
        MathSymbol => 18,
        CurrencySymbol => 19,
        ModifierSymbol => 20,
        OtherSymbol => 21,
        SpaceSeparator => 22,
        LineSeparator => 23,
        ParagraphSeparator => 24,
        Control => 25,
        Format => 26,
        Surrogate => 27,
        PrivateUse => 28,
        Unassigned => 29,
    };
    1 << bit
}

/// Marks, decimal digits and connectors, which with letters make a word.
const WORD: Mask = 0b1001_1110_0000;

/// `\w`: alphabetic, mark, decimal digit, connector, and the two invisible joiners.
pub fn is_word(c: char) -> bool {
    match c {
        '\0'..='\x7f' => c.is_ascii_alphanumeric() || c == '_',
        _ => c.is_alphabetic() || mask_of(c) & WORD != 0 || matches!(c, '\u{200c}' | '\u{200d}'),
    }
}

/// Punctuation as the `Punctuation` pre-tokenizer sees it: of ASCII all that is printed and not a letter or digit.
pub fn is_punctuation(c: char) -> bool {
    const PUNCTUATION: Mask = 0b11_1111_1000_0000_0000;
    if c.is_ascii() { c.is_ascii_punctuation() } else { mask_of(c) & PUNCTUATION != 0 }
}

/// Control characters, invisible ones and those for private use; the Python package keeps what has no meaning yet.
pub fn is_other(c: char) -> bool {
    const OTHER: Mask = 0b1_1110 << 24;
    mask_of(c) & OTHER != 0
}

/// Marks that take no place of their own, such as accents.
pub fn is_nonspacing(c: char) -> bool {
    const NONSPACING: Mask = 1 << 5;
    mask_of(c) & NONSPACING != 0
}

/// Chinese characters, as BERT has them.
pub fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' | '\u{20000}'..='\u{2a6df}' | '\u{2a700}'..='\u{2b73f}'
        | '\u{2b740}'..='\u{2b81f}' | '\u{2b920}'..='\u{2ceaf}' | '\u{f900}'..='\u{faff}' | '\u{2f800}'..='\u{2fa1f}')
}
