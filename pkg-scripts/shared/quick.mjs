// Imported before everything else: native programs are built by the profile of Cargo.toml that compiles soon, the one that
// tests in Rust are built by, and not by that which makes them fast.

process.env.NOMUL_PROFILE ??= "quick";
