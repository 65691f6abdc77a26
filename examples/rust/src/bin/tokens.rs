//! Connect tokens: a backend says who may play, a server believes it and asks nobody else.
//!
//! ```console
//! $ cargo run -p tme-examples --bin tokens -- server          # prints a token key, which a backend would share with it
//! $ cargo run -p tme-examples --bin tokens -- backend TOKEN_KEY ada 127.0.0.1:7777
//! $ cargo run -p tme-examples --bin tokens -- client TOKEN    # as often as you like; it admits once
//! ```
#![forbid(unsafe_code)]

use std::time::Duration;

use tme::token::{self, SealedToken, Token, TokenKey, TokenUserData, UserId};
use tme::{Client, Event, Server};

const WAIT: Duration = Duration::from_millis(5);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["server"] => serve("127.0.0.1:7777"),
        ["server", listen] => serve(listen),
        ["backend", key, user, address] => issue(key, user, address),
        ["client", token] => join(token),
        _ => {
            let usage = "tokens server [ADDRESS:PORT] | backend TOKEN_KEY USER ADDRESS:PORT | client TOKEN";
            Err(format!("usage: {usage}").into())
        }
    }
}

/// What a backend does for a player who has signed in. It needs no server, only the key.
fn issue(key: &str, user: &str, address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let key = TokenKey::from_hex(key)?;
    let mut token = Token::new(UserId::new(user)?, token::now(), Duration::from_secs(60));
    token.user_data = TokenUserData::new("role=guest")?;
    token.hints = vec![address.parse()?];
    println!("{}", token::seal(&key, &token)?);
    Ok(())
}

fn serve(listen: &str) -> Result<(), Box<dyn std::error::Error>> {
    let key = token::generate_key()?;
    let mut server = Server::builder().listen(listen).token_key(key.clone()).require_token().start()?;
    println!("tokens backend {} ada {}", *key.to_hex(), server.local_addr());
    loop {
        server.update(WAIT)?;
        for event in server.events() {
            match event {
                Event::Connected { peer, info } => match &info.token {
                    Some(token) => println!("{peer} is {}: {:?}", token.user, token.user_data),
                    None => println!("{peer} is nobody"),
                },
                Event::Disconnected { peer, reason } => println!("{peer} left: {reason}"),
                _ => {}
            }
        }
    }
}

fn join(token: &str) -> Result<(), Box<dyn std::error::Error>> {
    let token: SealedToken = token.parse()?;
    let address = *token.hints().first().ok_or("this token does not say where to go")?;
    let mut client = Client::builder().connect(address.to_string()).token(token).start()?;
    loop {
        client.update(WAIT)?;
        for event in client.events() {
            match event {
                Event::Connected { info, .. } => {
                    println!("connected as number {}", info.number);
                    client.close(Duration::from_secs(1));
                    return Ok(());
                }
                Event::Disconnected { reason, .. } => return Err(reason.to_string().into()),
                _ => {}
            }
        }
    }
}
