//! tme-sim
