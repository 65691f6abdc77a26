//! The paths that a Rust source names, with grouped imports written out.
//!
//! A text scan for `std::time::Instant` alone would miss `use std::{time::{Duration, Instant}, thread};`.

/// Every path in `source` with at least two parts, as `a::b::c`. Comments are left out; strings are not,
/// which can only make a caller too strict.
pub fn paths(source: &str) -> Vec<String> {
    let code: String =
        source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let mut tokens = tokens(&code).into_iter().peekable();
    let mut paths = Vec::new();
    while let Some(token) = tokens.next() {
        if is_word(&token) && tokens.peek().is_some_and(|next| next == "::") {
            tokens.next();
            rest_of_path(token, &mut tokens, &mut paths);
        }
    }
    paths
}

/// Reads what follows `prefix::` and adds each path that starts so.
fn rest_of_path(
    prefix: String,
    tokens: &mut std::iter::Peekable<impl Iterator<Item = String>>,
    paths: &mut Vec<String>,
) {
    match tokens.peek().map(String::as_str) {
        Some("{") => {
            tokens.next();
            let mut depth = 1;
            while depth > 0 {
                match tokens.peek().map(String::as_str) {
                    None => return,
                    Some("}") => depth -= 1,
                    Some("{") => depth += 1,
                    // The name after `as` is ours.
                    Some("as") => drop(tokens.next()),
                    Some(word) if is_word(word) => {
                        rest_of_path(prefix.clone(), tokens, paths);
                        continue;
                    }
                    Some(_) => {}
                }
                tokens.next();
            }
        }
        Some(word) if is_word(word) => {
            let path = format!("{prefix}::{}", tokens.next().unwrap_or_default());
            if tokens.next_if(|next| next == "::").is_some() {
                rest_of_path(path, tokens, paths);
            } else {
                paths.push(path);
            }
        }
        Some("*") => paths.push(format!("{prefix}::*")),
        _ => {}
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// Words, `::`, and all other characters one by one, without spaces.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut joins = false;
    for c in code.chars() {
        let is_part = c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if joins && is_part && is_word(last) => last.push(c),
            Some(last) if joins && c == ':' && last == ":" => last.push(c),
            _ if c.is_whitespace() => {}
            _ => tokens.push(c.to_string()),
        }
        joins = !c.is_whitespace();
    }
    tokens
}

#[test]
fn grouped_and_plain_paths_are_found() {
    let source = "
        use std::{time::{Duration, Instant as Clock}, thread};
        // use std::fs::File;
        use std::fs::*;
        use std::net::IpAddr; /// std::net::UdpSocket in words
        fn f() -> std::time::SystemTime { core::mem::take(x); let y: u8 = 3; }
    ";
    let found = paths(source);
    for expected in [
        "std::time::Duration",
        "std::time::Instant",
        "std::thread",
        "std::fs::*",
        "std::net::IpAddr",
        "std::time::SystemTime",
        "core::mem::take",
    ] {
        assert!(found.iter().any(|path| path == expected), "{expected} is not in {found:?}");
    }
    assert_eq!(found.len(), 7, "{found:?}");
}
