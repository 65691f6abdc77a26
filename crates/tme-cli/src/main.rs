//! The tme program.
fn main() {}
