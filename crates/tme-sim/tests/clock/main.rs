//! A client's idea of the server's time, on all kinds of paths, with clocks that disagree.
//!
//! `cargo test --release -p tme-sim --test clock -- --nocapture --test-threads 1` prints the tables.

mod estimators;
mod rig;
mod worlds;
