//! One misdeed for every function of the interface, and how often each is chosen.

mod client;
mod discovery;
mod door;
mod events;
mod message;
mod plain;
mod querier;
mod serial;
mod server;
pub mod talk;

use crate::misuser::Misuser;

pub use events::poll;

/// A misdeed, and how many times as often as the rarest it is done.
pub type Call = (u32, fn(&mut Misuser<'_>));

/// One in so many calls that would end a handle does, so that most handles get to know somebody before.
pub const LIVES: usize = 8;

/// All of them, each as often as it is to be chosen.
pub fn lots() -> Vec<fn(&mut Misuser<'_>)> {
    let all = [
        server::CALLS,
        client::CALLS,
        message::CALLS,
        plain::CALLS,
        querier::CALLS,
        serial::CALLS,
        discovery::CALLS,
        talk::CALLS,
        door::CALLS,
    ];
    let all = all.into_iter().flatten();
    all.flat_map(|&(weight, call)| std::iter::repeat_n(call, weight as usize)).collect()
}
