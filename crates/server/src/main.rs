//! The `holdwire` program.
fn main() {}
