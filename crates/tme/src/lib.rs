//! tme
