//! What a connection does, told as stories of two ends; each file has those of one theme.

mod closing;
mod conformity;
mod delivery;
mod hostility;
mod mtu;
mod pair;
mod queues;
mod receipts;
mod silence;

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::channel::Channel;
use crate::crypto::SessionSecrets;
use crate::crypto::packet::KeyLimits;
use crate::datagram::Ecn;
use crate::handshake::parameters::Limits;
use crate::handshake::reason::Reason;
use crate::link::{Jitter, Link, LinkConditions};
use crate::random::SeededRandom;
use pair::{
    CHANNELS, CLIENT, End, LATEST, ORDERED, Pair, SEQUENCED, SERVER, UNORDERED, UNRELIABLE, ms, next_to_wrap,
    terrible,
};
