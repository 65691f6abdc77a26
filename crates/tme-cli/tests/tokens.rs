//! `tme token`, and a server and a client that use it.

mod common;

use common::{Folder, run, run_with, serve, start};

fn token_key(folder: &Folder, name: &str) -> String {
    let path = folder.file(name);
    let made = run(&["token", "new-key", "--out", &path]);
    assert_eq!(made.code, 0, "{made:?}");
    path
}

fn make(key: &str, more: &[&str]) -> String {
    let made = run(&[&["token", "make", "--key-file", key], more].concat());
    assert_eq!(made.code, 0, "{made:?}");
    made.out.trim().to_owned()
}

#[test]
fn a_token_says_what_it_was_made_with_to_whoever_has_the_key() {
    let folder = Folder::new("tokens");
    let key = token_key(&folder, "token.key");
    let options = ["--user", "alice", "--data", "admin", "--server-name", "eu-1", "--hint", "192.0.2.1:7777"];
    let token = make(&key, &options);
    let shown = run_with(&["token", "show", "-", "--key-file", &key, "--json"], &format!("{token}\n")).json();
    assert_eq!(shown["hints"][0], "192.0.2.1:7777");
    let contents = &shown["contents"];
    assert_eq!((&contents["user"], &contents["user_data"]), (&"alice".into(), &"admin".into()), "{shown}");
    assert_eq!(contents["audience"], "the server named eu-1");
    let lifetime = contents["expires"].as_u64().unwrap() - contents["issued"].as_u64().unwrap();
    assert_eq!(lifetime, 300);

    let sealed = run(&["token", "show", &token]);
    assert_eq!(sealed.code, 0, "{sealed:?}");
    assert!(sealed.out.contains("192.0.2.1:7777") && !sealed.out.contains("alice"), "{sealed:?}");
    let other = token_key(&folder, "other.key");
    let failed = run(&["token", "show", &token, "--key-file", &other]);
    assert_eq!(failed.code, 1, "{failed:?}");
    for (text, code) in [("no token!", 2), ("AAAA", 1)] {
        assert_eq!(run(&["token", "show", text]).code, code, "{text}");
    }
    for bad in [["--user", ""], ["--hint", "192.0.2.1:0"]] {
        let arguments = [&["token", "make", "--key-file", &key, "--user", "1"][..], &bad].concat();
        assert_eq!(run(&arguments).code, 2, "{bad:?}");
    }
}

#[test]
fn only_who_has_a_token_joins_and_only_once() {
    let folder = Folder::new("tokens-join");
    let key = token_key(&folder, "token.key");
    let (mut server, address, public) = serve(&["--token-key", &key, "--require-token"]);
    let connect = ["connect", &address, "--key", &public];
    let refused = run(&connect);
    let (code, text) = refused.failure();
    assert!(code == 5 && text.contains("missing"), "{refused:?}");

    let token = make(&key, &["--user", "42"]);
    let path = folder.file("token");
    std::fs::write(&path, &token).unwrap();
    let mut ann = start(&[&connect[..], &["--name", "ann", "--token-file", &path]].concat());
    ann.expect("connected");
    server.expect("as user 42");
    let again = run(&[&connect[..], &["--token", &token]].concat());
    let (code, text) = again.failure();
    assert!(code == 5 && text.contains("used"), "{again:?}");
    ann.say("/quit\n");
    assert_eq!(ann.finish().code, 0);
}
