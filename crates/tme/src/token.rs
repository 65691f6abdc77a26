//! Connect tokens: a game's backend says who may connect, its servers believe it.
//!
//! Backend and servers share a [`TokenKey`]. The backend seals a [`Token`] for a player who has signed in and hands it to
//! the player's client, which connects with it; the server finds user id and data in
//! [`Connected::token`](crate::Connected::token). A token admits once.
//!
//! ```
//! use std::time::Duration;
//! use tme::token::{self, SealedToken, Token, UserId};
//! use tme::{Client, Server};
//!
//! # fn main() -> Result<(), tme::Error> {
//! let key = token::generate_key()?; // once; then kept by the backend and every server
//!
//! // A server:
//! let server = Server::builder().token_key(key.clone()).require_token().listen("127.0.0.1:0").start()?;
//!
//! // The backend, for a player who has signed in:
//! let player = Token::new(UserId::from(42), token::now(), Duration::from_secs(300));
//! let text = token::seal(&key, &player)?.to_string();
//!
//! // The player's client:
//! let token: SealedToken = text.parse()?;
//! let client = Client::builder().connect(server.local_addr().to_string()).token(token).start()?;
//! # Ok(())
//! # }
//! ```

pub use tme_core::time::UnixTime;
pub use tme_core::token::{
    Audience, SealedToken, ServerName, Token, TokenError, TokenId, TokenKey, TokenProblem, TokenTextError,
    TokenUserData, UserId,
};

use crate::Error;
use tme_transport::clock::Clock;
use tme_transport::random::SystemRandom;

/// What the system's wall clock says.
#[must_use]
pub fn now() -> UnixTime {
    Clock::start().unix_time()
}

/// Makes a token key from the system's randomness.
///
/// # Errors
/// [`Error::Config`] if the system has no randomness to give.
pub fn generate_key() -> Result<TokenKey, Error> {
    Ok(TokenKey::generate(&mut random()?))
}

/// Seals a token.
///
/// # Errors
/// [`Error::Token`] if it cannot be a token, [`Error::Config`] if the system has no randomness to give.
pub fn seal(key: &TokenKey, token: &Token) -> Result<SealedToken, Error> {
    Ok(key.seal(token, &mut random()?)?)
}

fn random() -> Result<SystemRandom, Error> {
    SystemRandom::new().map_err(|error| Error::Config(error.to_string()))
}
