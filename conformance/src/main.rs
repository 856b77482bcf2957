//! The tests of the built program.
fn main() {}
