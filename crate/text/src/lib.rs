//! nomul-text
