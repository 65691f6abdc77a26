//! Connect tokens: made by a backend, carried by a client, required by a server.

use std::ffi::{c_char, c_void};
use std::mem::{offset_of, size_of};
use std::net::SocketAddr;
use std::ptr::null;
use std::time::Duration;

use tme::token::{
    self, Audience, SealedToken, ServerName, Token, TokenError, TokenKey, TokenProblem, TokenUserData,
    UnixTime, UserId,
};
use tme::{PublicKey, TokenInfo};

use crate::boundary::{
    Versioned, check_reserved, copy_bytes, copy_text, guard, init_struct, input_bytes, input_text,
    output_text, put, read_struct, required_text, write_struct,
};
use crate::failure::Failure;
use crate::result::{TME_ERROR_ADDRESS, TME_ERROR_CONFIG, TME_ERROR_TOKEN, TME_ERROR_TOKEN_TEXT, TmeResult};

/// Bytes that the text of a sealed token takes at most, its NUL included.
pub const TME_TOKEN_TEXT_BYTES: usize = 935;
/// Longest user data of a token, in bytes.
pub const TME_TOKEN_USER_DATA_BYTES_MAX: u32 = 256;

/// The server requires a connect token and there was none.
pub const TME_TOKEN_PROBLEM_MISSING: u32 = 1;
/// No key of the server opens it, it is damaged, or the server takes no tokens.
pub const TME_TOKEN_PROBLEM_INVALID: u32 = 2;
/// It is for another server.
pub const TME_TOKEN_PROBLEM_WRONG_AUDIENCE: u32 = 3;
/// It was issued later than the server's clock says it is now.
pub const TME_TOKEN_PROBLEM_NOT_YET_VALID: u32 = 4;
/// It has expired, or is older than what the server remembers.
pub const TME_TOKEN_PROBLEM_EXPIRED: u32 = 5;
/// Somebody has connected with it.
pub const TME_TOKEN_PROBLEM_USED: u32 = 6;

/// What a backend says of a player. tme_token_config_init fills in the defaults; what is zero takes its default.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeTokenConfig {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// 0.
    pub reserved: u32,
    /// Who the player is: a text of 1–64 bytes, a number in decimal digits. There is no default.
    pub user: *const c_char,
    /// Name of the only server that may take it, as its config has it. Default: any server that has the token key.
    pub server_name: *const c_char,
    /// Public key of the only server that may take it, 64 hexadecimal digits. Not together with `server_name`.
    pub server_key: *const c_char,
    /// Where the client could find a server: at most eight addresses with ports, separated by commas, best first. Not
    /// secret. Default: none.
    pub hints: *const c_char,
    /// Bytes for the server's game. Encrypted.
    pub user_data: *const c_void,
    /// How many, at most 256.
    pub user_data_bytes: u32,
    /// Seconds until it expires; it only has to last until the player has connected. Default 300.
    pub lifetime_s: u32,
    /// When it is issued, in seconds since 1970-01-01 UTC. Default: now.
    pub issued: u64,
}

/// What a connect token says. All zero but for `struct_size` where there is none: a user has at least one byte.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct TmeTokenInfo {
    /// Size of the struct as the caller knows it.
    pub struct_size: u32,
    /// Bytes in `user`, 1–64.
    pub user_bytes: u32,
    /// Who the player is, with a NUL after it. Usually text; the backend may have put any bytes there.
    pub user: [c_char; 72],
    /// When it was issued, in seconds since 1970-01-01 UTC.
    pub issued: u64,
    /// When it expires. A token that has let its player in is used up: nothing depends on it any more.
    pub expires: u64,
    /// Bytes in `user_data`, at most 256.
    pub user_data_bytes: u32,
    /// 0.
    pub reserved: u32,
    /// What the backend has added for the server's game.
    pub user_data: [u8; 256],
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<TmeTokenConfig>() == 8 + 5 * 8 + 2 * 4 + 8);
const _: () = assert!(size_of::<TmeTokenInfo>() == 360);

// SAFETY: `repr(C)`, a `u32` first, no padding (checked above), pointers and numbers only.
unsafe impl Versioned for TmeTokenConfig {
    const FIRST_BYTES: usize = offset_of!(Self, issued) + 8;

    fn defaults() -> Self {
        Self {
            struct_size: 0,
            reserved: 0,
            user: null(),
            server_name: null(),
            server_key: null(),
            hints: null(),
            user_data: null(),
            user_data_bytes: 0,
            lifetime_s: LIFETIME_S,
            issued: 0,
        }
    }
}

// SAFETY: as above, numbers only.
unsafe impl Versioned for TmeTokenInfo {
    const FIRST_BYTES: usize = 360;

    fn defaults() -> Self {
        Self {
            struct_size: 0,
            user_bytes: 0,
            user: [0; 72],
            issued: 0,
            expires: 0,
            user_data_bytes: 0,
            reserved: 0,
            user_data: [0; 256],
        }
    }
}

/// Enough to load a map in, and little for a thief.
const LIFETIME_S: u32 = 300;

impl From<&TokenInfo> for TmeTokenInfo {
    fn from(of: &TokenInfo) -> Self {
        let mut info = Self::defaults();
        info.user_bytes = copy_text(of.user.as_bytes(), &mut info.user) as u32;
        info.user_data_bytes = copy_bytes(of.user_data.as_bytes(), &mut info.user_data) as u32;
        info.issued = of.issued.as_secs();
        info.expires = of.expires.as_secs();
        info
    }
}

/// Makes a token key from the system's randomness: backend and servers share it, and nobody else has it.
///
/// Parameters: `buffer` of `capacity` bytes gets 64 hexadecimal digits; `needed` (may be NULL) gets 65. Keep it secret:
/// whoever has it can make a token for any player.
/// Returns: TME_OK; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_SYSTEM if the system has no randomness.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_token_key_generate(
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    guard(|| output_text(&token::generate_key()?.to_hex(), buffer, capacity, needed))
}

/// Fills in the defaults of a token.
///
/// Parameters: `config` of `struct_size` bytes, which must be `sizeof *config`.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_token_config_init(config: *mut TmeTokenConfig, struct_size: usize) -> TmeResult {
    init_struct(config, struct_size)
}

/// Makes a connect token: a backend does so for a player who has signed in, and gives it to his client.
///
/// Parameters: `token_key`, 64 hexadecimal digits; `config`; `buffer` of `capacity` bytes gets the token as text, which
/// TME_TOKEN_TEXT_BYTES always hold; `needed` (may be NULL) gets the bytes it takes with its NUL. No two are equal.
/// Returns: TME_OK; TME_ERROR_KEY; TME_ERROR_TOKEN without a user, or with more of something than a token takes;
/// TME_ERROR_ADDRESS for a hint that is no address; TME_ERROR_CONFIG if it is for two servers;
/// TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_SYSTEM if the system has no randomness; TME_ERROR_NULL; TME_ERROR_UTF8;
/// TME_ERROR_LENGTH; TME_ERROR_STRUCT_SIZE; TME_ERROR_STRUCT_TAIL.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_token_make(
    token_key: *const c_char,
    config: *const TmeTokenConfig,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    guard(|| {
        let key = read_key(token_key)?;
        let sealed = token::seal(&key, &read_token(config)?)?;
        output_text(&sealed.to_string(), buffer, capacity, needed)
    })
}

/// Opens a connect token with its key, to see what it says. It is not used up, and need not be valid any more.
///
/// Parameters: `token_key`, 64 hexadecimal digits; `token`, its text; `info` of `struct_size` bytes, which must be
/// `sizeof *info`.
/// Returns: TME_OK; TME_ERROR_KEY; TME_ERROR_TOKEN_TEXT if it is no token, or not one of this key; TME_ERROR_NULL;
/// TME_ERROR_UTF8; TME_ERROR_STRUCT_SIZE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_token_open(
    token_key: *const c_char,
    token: *const c_char,
    info: *mut TmeTokenInfo,
    struct_size: usize,
) -> TmeResult {
    guard(|| {
        let key = read_key(token_key)?;
        let sealed = read_sealed(required_text(token, "the token is NULL")?)?;
        let opened = key.open(&sealed).ok_or_else(|| {
            Failure::with(TME_ERROR_TOKEN_TEXT, "this key has not sealed such a token, or it is damaged")
        })?;
        write_struct(&TmeTokenInfo::from(&TokenInfo::from(opened)), info, struct_size)
    })
}

/// Tells where a server could be found, as the backend thought when it made the token. Nobody proves that to the client.
///
/// Parameters: `token`, its text; `buffer` of `capacity` bytes gets addresses with ports, separated by commas, best first,
/// or an empty text if there are none; `needed` (may be NULL) gets the bytes it takes with its NUL.
/// Returns: TME_OK; TME_ERROR_TOKEN_TEXT if it is no token; TME_ERROR_BUFFER_TOO_SMALL; TME_ERROR_NULL; TME_ERROR_UTF8.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_token_hints(
    token: *const c_char,
    buffer: *mut c_char,
    capacity: usize,
    needed: *mut usize,
) -> TmeResult {
    put(needed, 0);
    guard(|| {
        let sealed = read_sealed(required_text(token, "the token is NULL")?)?;
        if sealed.id().is_none() {
            return Err(Failure::with(TME_ERROR_TOKEN_TEXT, "the text is no token, or damaged"));
        }
        let hints: Vec<String> = sealed.hints().iter().map(SocketAddr::to_string).collect();
        output_text(&hints.join(","), buffer, capacity, needed)
    })
}

unsafe fn read_key(token_key: *const c_char) -> Result<TokenKey, Failure> {
    Ok(TokenKey::from_hex(required_text(token_key, "the token key is NULL")?)?)
}

/// A token as a client carries it.
pub(crate) fn read_sealed(text: &str) -> Result<SealedToken, Failure> {
    text.parse().map_err(|error| Failure::from(tme::Error::TokenText(error)))
}

/// Keys separated by commas.
pub(crate) fn read_keys(text: &str) -> Result<Vec<TokenKey>, Failure> {
    text.split(',').map(|key| Ok(TokenKey::from_hex(key)?)).collect()
}

/// What a server is called in tokens.
pub(crate) fn read_server_name(name: &str) -> Result<ServerName, Failure> {
    ServerName::new(name).map_err(failure)
}

fn failure(error: TokenError) -> Failure {
    tme::Error::Token(error).into()
}

unsafe fn read_token(config: *const TmeTokenConfig) -> Result<Token, Failure> {
    let config = read_struct(config)?;
    check_reserved(config.reserved)?;
    let user = UserId::new(input_text(config.user)?.unwrap_or_default()).map_err(failure)?;
    let issued = if config.issued == 0 { token::now() } else { UnixTime::from_secs(config.issued) };
    let lifetime = if config.lifetime_s == 0 { LIFETIME_S } else { config.lifetime_s };
    let mut token = Token::new(user, issued, Duration::from_secs(u64::from(lifetime)));
    token.audience = match (input_text(config.server_name)?, input_text(config.server_key)?) {
        (Some(_), Some(_)) => {
            let text = "both server_name and server_key are set; one must be NULL";
            return Err(Failure::with(TME_ERROR_CONFIG, text));
        }
        (Some(name), None) => Audience::Name(read_server_name(name)?),
        (None, Some(key)) => Audience::Key(key.parse::<PublicKey>()?),
        (None, None) => Audience::Any,
    };
    if let Some(hints) = input_text(config.hints)?.filter(|hints| !hints.is_empty()) {
        token.hints = hints.split(',').map(read_hint).collect::<Result<_, _>>()?;
    }
    token.user_data = user_data(&config)?;
    Ok(token)
}

fn read_hint(text: &str) -> Result<SocketAddr, Failure> {
    text.trim().parse().map_err(|_| {
        let text = format_args!("hint {text:?} does not parse; expected one such as 192.0.2.1:7777");
        Failure::text(TME_ERROR_ADDRESS, text)
    })
}

/// More than a token takes is refused before it is read: the length may be garbage.
unsafe fn user_data(config: &TmeTokenConfig) -> Result<TokenUserData, Failure> {
    let length = config.user_data_bytes;
    let too_long = |_| {
        let limit = TME_TOKEN_USER_DATA_BYTES_MAX;
        let text = format_args!("user data of {length} bytes exceeds the limit of {limit}");
        Failure::text(TME_ERROR_TOKEN, text)
    };
    if length > TME_TOKEN_USER_DATA_BYTES_MAX {
        return Err(too_long(()));
    }
    let bytes = input_bytes(config.user_data, length as usize)?;
    TokenUserData::new(bytes).map_err(|_| too_long(()))
}

/// What was wrong with a token, as events have it.
pub(crate) const fn problem_number(problem: TokenProblem) -> u32 {
    match problem {
        TokenProblem::Missing => TME_TOKEN_PROBLEM_MISSING,
        TokenProblem::Invalid => TME_TOKEN_PROBLEM_INVALID,
        TokenProblem::WrongAudience => TME_TOKEN_PROBLEM_WRONG_AUDIENCE,
        TokenProblem::NotYetValid => TME_TOKEN_PROBLEM_NOT_YET_VALID,
        TokenProblem::Expired => TME_TOKEN_PROBLEM_EXPIRED,
        TokenProblem::Used => TME_TOKEN_PROBLEM_USED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_number_of_its_own() {
        let numbers: Vec<u32> = TokenProblem::ALL.into_iter().map(problem_number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_longest_token_fits_into_its_text() {
        let longest = SealedToken::from_bytes([0xA5; 700]).unwrap();
        assert_eq!(longest.to_string().len() + 1, TME_TOKEN_TEXT_BYTES);
    }

    #[test]
    fn user_data_longer_than_a_token_takes_is_not_read() {
        let bytes = [0xA5u8; 256];
        for (length, is_fine) in [(0, true), (256, true), (257, false), (u32::MAX, false)] {
            let config = TmeTokenConfig {
                user_data: bytes.as_ptr().cast(),
                user_data_bytes: length,
                ..TmeTokenConfig::defaults()
            };
            // SAFETY: up to 256 bytes are there; more must not be looked at.
            let result = unsafe { user_data(&config) }.map(drop).map_err(|failure| failure.result);
            assert_eq!(result, if is_fine { Ok(()) } else { Err(TME_ERROR_TOKEN) }, "{length} bytes");
        }
    }
}
