//! nomul-quant
