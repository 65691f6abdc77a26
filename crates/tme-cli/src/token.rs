//! `tme token`: makes the key that a backend and its servers share, makes tokens with it, and shows them.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tme::PublicKey;
use tme::token::{self, Audience, SealedToken, ServerName, Token, TokenKey, TokenUserData, UserId};

use crate::arguments::{TokenCommand, TokenMakeOptions, TokenNewKeyOptions, TokenShowOptions};
use crate::{ExitReason, Failure, Output, keys};

const OUT: Output = Output::Stdout;

/// Does what was asked about tokens.
///
/// # Errors
/// [`Failure`]: a file cannot be used, or what was given cannot be a token.
pub fn run(command: &TokenCommand) -> Result<(), Failure> {
    match command {
        TokenCommand::NewKey(options) => new_key(options),
        TokenCommand::Make(options) => make(options),
        TokenCommand::Show(options) => show(options),
    }
}

fn new_key(options: &TokenNewKeyOptions) -> Result<(), Failure> {
    let key = token::generate_key()?;
    match &options.out {
        Some(path) => {
            keys::create(path, &key.to_hex())?;
            OUT.line(&format!("token key written to {}", path.display()));
        }
        None => OUT.line(&format!("token key {}", *key.to_hex())),
    }
    OUT.line(&format!("key id {:08x}", key.id()));
    Ok(())
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::new(ExitReason::Usage, error)
}

fn make(options: &TokenMakeOptions) -> Result<(), Failure> {
    let key = load_key(&options.key_file)?;
    let user = UserId::new(options.user.as_str()).map_err(usage)?;
    let lifetime = Duration::from_secs(u64::from(options.lifetime));
    let mut token = Token::new(user, token::now(), lifetime);
    let data = options.data.as_deref().unwrap_or_default();
    token.user_data = TokenUserData::new(data).map_err(|error| usage(format_args!("--data: {error}")))?;
    token.audience = match (&options.server_name, &options.server_key) {
        (Some(name), _) => Audience::Name(ServerName::new(name.as_str()).map_err(usage)?),
        (None, Some(key)) => Audience::Key(key.parse::<PublicKey>().map_err(usage)?),
        (None, None) => Audience::Any,
    };
    token.hints.clone_from(&options.hint);
    OUT.line(&token::seal(&key, &token).map_err(usage)?.to_string());
    Ok(())
}

fn show(options: &TokenShowOptions) -> Result<(), Failure> {
    let sealed = parse(&options.token)?;
    let (Some(id), Some(key_id)) = (sealed.id(), sealed.key_id()) else {
        return Err(Failure::new(ExitReason::CheckFailed, "this is not a connect token"));
    };
    let opened = match &options.key_file {
        Some(path) => match load_key(path)?.open(&sealed) {
            Some(token) => Some(token),
            None => {
                let text = format!("{}: this key does not open the token", path.display());
                return Err(Failure::new(ExitReason::CheckFailed, text));
            }
        },
        None => None,
    };
    if options.json {
        let contents = opened.as_ref().map(|token| {
            json!({
                "user": token.user.to_string(),
                "user_data": token.user_data.as_bytes().escape_ascii().to_string(),
                "audience": audience(token),
                "issued": token.issued.as_secs(),
                "expires": token.expires.as_secs(),
            })
        });
        let report = json!({
            "id": id.to_string(),
            "key_id": format!("{key_id:08x}"),
            "bytes": sealed.as_bytes().len(),
            "hints": sealed.hints().iter().map(ToString::to_string).collect::<Vec<_>>(),
            "contents": contents,
        });
        OUT.line(&report.to_string());
        return Ok(());
    }
    OUT.line(&format!("id        {id}"));
    OUT.line(&format!("key id    {key_id:08x}"));
    OUT.line(&format!("length    {} bytes", sealed.as_bytes().len()));
    for hint in sealed.hints() {
        OUT.line(&format!("server    {hint}"));
    }
    let Some(token) = opened else {
        OUT.line("contents  sealed (--key-file FILE opens them)");
        return Ok(());
    };
    OUT.line(&format!("user      {}", token.user));
    OUT.line(&format!("data      \"{}\"", token.user_data.as_bytes().escape_ascii()));
    OUT.line(&format!("audience  {}", audience(&token)));
    let now = token::now().as_secs();
    let (issued, expires) = (token.issued.as_secs(), token.expires.as_secs());
    OUT.line(&format!("issued    {issued} ({})", ago(now, issued)));
    OUT.line(&format!("expires   {expires} ({})", ago(now, expires)));
    Ok(())
}

fn audience(token: &Token) -> String {
    match &token.audience {
        Audience::Any => "any server with the key".to_owned(),
        Audience::Name(name) => format!("the server named {name}"),
        Audience::Key(key) => format!("the server with the key {key}"),
    }
}

fn ago(now: u64, at: u64) -> String {
    if at > now { format!("in {} s", at - now) } else { format!("{} s ago", now - at) }
}

/// A token from the command line; `-` reads it from standard input, where other users cannot see it.
///
/// # Errors
/// [`Failure`] if it is not the text of a token.
pub(crate) fn parse(text: &str) -> Result<SealedToken, Failure> {
    if text != "-" {
        return text.parse().map_err(usage);
    }
    // Longer than any token, so that what is too long is found out and nothing is read without end.
    let mut text = String::new();
    let read = std::io::stdin().take(4_096).read_to_string(&mut text);
    read.map_err(|error| Failure::new(ExitReason::File, format_args!("standard input: {error}")))?;
    text.parse().map_err(usage)
}

/// Reads a token from a file.
///
/// # Errors
/// [`Failure`] if the file cannot be read or holds no token.
pub(crate) fn read(path: &Path) -> Result<SealedToken, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    text.parse().map_err(|error| Failure::file(path, error))
}

/// Reads a token key from a file.
///
/// # Errors
/// [`Failure`] if the file cannot be read or holds no key.
pub(crate) fn load_key(path: &Path) -> Result<TokenKey, Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
    let key = TokenKey::from_hex(&text).map_err(|error| Failure::file(path, error))?;
    keys::warn_if_readable(path);
    Ok(key)
}
