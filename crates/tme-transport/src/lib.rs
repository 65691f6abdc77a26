//! tme-transport
