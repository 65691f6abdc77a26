//! Asking servers what they are before connecting to one: for server browsers.
//!
//! [`ask`] asks one server and waits. A [`Querier`] asks many at a time and never waits longer than it is told:
//!
//! ```no_run
//! use std::time::Duration;
//! use tme::query::{PATIENCE_DEFAULT, Querier};
//!
//! # fn main() -> Result<(), tme::Error> {
//! let mut querier = Querier::start(PATIENCE_DEFAULT)?;
//! for server in ["eu.game.example:7777", "us.game.example:7777"] {
//!     querier.ask(server)?;
//! }
//! while querier.open_count() > 0 {
//!     querier.update(Duration::from_millis(16))?; // once a frame, with zero, in a game
//!     while let Some(answer) = querier.poll_answer() {
//!         match answer.result {
//!             Ok((_, info)) => println!("{}: {} of {} players", answer.target, info.peers, info.peers_max),
//!             Err(error) => println!("{}: {error}", answer.target),
//!         }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! What a server says here is not authenticated: somebody on the way may have said it instead. The handshake proves who is
//! there. A server's part is [`ServerBuilder::information`](crate::ServerBuilder::information).

use std::net::SocketAddr;
use std::time::Duration;

pub use tme_core::crypto::name_hash;
pub use tme_core::handshake::datagram::{Information, ServerDemands};
pub use tme_core::query::ServerInfo;
pub use tme_transport::query::{Answer, PATIENCE_DEFAULT, Querier, QueryError, TARGETS_MAX, TargetId};

use crate::Error;

/// Asks one server, `host:port`, and waits for its answer, at most `patience`. Gives the address that answered, too.
///
/// # Errors
/// [`Error::Query`]: it did not answer, or its address leads nowhere. [`Error::Engine`]: there is no socket to be had.
pub fn ask(server: &str, patience: Duration) -> Result<(SocketAddr, ServerInfo), Error> {
    let mut querier = Querier::start(patience)?;
    querier.ask(server)?;
    loop {
        querier.update(patience)?;
        if let Some(answer) = querier.poll_answer() {
            return Ok(answer.result?);
        }
        if querier.open_count() == 0 {
            return Err(QueryError::TimedOut.into());
        }
    }
}
