//! Streams in TLS: certificates made for the occasion.

use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

use super::super::tls::TlsSession;
use super::*;

const NAME: &str = "game.example";

/// PEM files of an authority and of a server's certificate that it has signed; gone with this.
struct Files {
    folder: PathBuf,
    fingerprint: [u8; 32],
}

impl Files {
    fn new(test: &str) -> Self {
        Self::with(test, |_| ())
    }

    fn with(test: &str, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let folder = std::env::temp_dir().join(format!("tme-tls-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let mut parameters = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        change(&mut parameters);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join("authority.pem"), authority.pem()).unwrap();
        std::fs::write(folder.join("chain.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
        Self { folder, fingerprint: digest.as_ref().try_into().unwrap() }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn authorities(&self) -> TlsTrust {
        TlsTrust::Authorities(self.file("authority.pem").into())
    }

    fn server(&self) -> Rig {
        let certificate = TlsCertificate::from_files(&self.file("chain.pem"), &self.file("key.pem")).unwrap();
        Rig::new(StreamsConfig { certificate: Some(certificate), ..StreamsConfig::default() })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn client(trust: &TlsTrust, name: Option<&str>) -> Rig {
    let tls = TlsClient::new(trust, name).unwrap();
    Rig::new(StreamsConfig { tls: Some(tls), ..StreamsConfig::default() })
}

/// Goes on with both until it is so.
fn both_until(client: &mut Rig, server: &mut Rig, what: &str, mut is_so: impl FnMut(&Rig, &Rig) -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !is_so(client, server) {
        assert!(std::time::Instant::now() < deadline, "{what}: {:?} {:?}", client.events, server.events);
        client.turn(Duration::from_millis(1));
        server.turn(Duration::from_millis(1));
    }
}

/// What becomes of a client that trusts so.
fn failure_with(files: &Files, trust: &TlsTrust, name: Option<&str>) -> StreamFailure {
    let (mut client, mut server) = (client(trust, name), files.server());
    let target = to(server.address, LinkKind::Tcp);
    client.streams.open(client.now, &target, &client.poller).unwrap();
    both_until(&mut client, &mut server, "both ends", |client, server| {
        let is_ended = |rig: &Rig| rig.events.iter().any(|event| matches!(event, StreamEvent::Ended(..)));
        is_ended(client) && is_ended(server)
    });
    assert!(client.datagrams.is_empty() && server.datagrams.is_empty());
    assert_eq!(
        server.ended(StreamFailure::TlsFailed) + server.ended(StreamFailure::Closed),
        1,
        "{:?}",
        server.events
    );
    let [.., StreamEvent::Ended(_, failure)] = client.events[..] else { panic!("{:?}", client.events) };
    failure
}

#[test]
fn datagrams_of_both_kinds_of_stream_go_through_tls() {
    let files = Files::new("both");
    for (kind, trust) in [
        (LinkKind::Tcp, files.authorities()),
        (LinkKind::WebSocket, files.authorities()),
        (LinkKind::Tcp, TlsTrust::Fingerprint(files.fingerprint)),
    ] {
        let (mut client, mut server) = (client(&trust, None), files.server());
        let target = to(server.address, kind);
        let id = client.streams.open(client.now, &target, &client.poller).unwrap();
        assert!(id.is_secure && id.kind == kind);
        // The first waits for the handshake.
        assert_eq!(client.streams.send(id, b"hello"), Queued::Yes);
        assert_eq!(client.streams.send(id, &[7; 16_384]), Queued::Yes);
        both_until(&mut client, &mut server, "two datagrams", |_, server| server.datagrams.len() == 2);
        let there = server.datagrams[0].0;
        assert!(there.is_secure && there.kind == kind);
        assert_eq!(
            (&server.datagrams[0].1[..], &server.datagrams[1].1[..]),
            (&b"hello"[..], &[7; 16_384][..])
        );
        server.streams.claim(there);
        for _ in 0..3 {
            assert_ne!(server.streams.send(there, &[9; 16_000]), Queued::Lost);
        }
        both_until(&mut client, &mut server, "the answers", |client, _| client.datagrams.len() == 3);
        assert!(client.datagrams.iter().all(|(from, bytes)| *from == id && bytes[..] == [9; 16_000]));
    }
}

#[test]
fn a_port_with_a_certificate_takes_streams_without_tls_as_well() {
    let files = Files::new("without");
    let mut server = files.server();
    let _client = server.knock(&stream_of(&[b"hello"]));
    server.until("the datagram", |rig| rig.datagrams.len() == 1);
    assert!(!server.datagrams[0].0.is_secure);
}

#[test]
fn a_certificate_that_does_not_match_is_told_with_its_reason() {
    let files = Files::new("match");
    let trust = files.authorities();
    assert_eq!(failure_with(&files, &trust, Some("other.example")), StreamFailure::CertificateName);
    assert_eq!(
        failure_with(&files, &TlsTrust::Fingerprint([1; 32]), None),
        StreamFailure::CertificateUntrusted
    );
    let stranger = Files::new("stranger");
    assert_eq!(failure_with(&files, &stranger.authorities(), None), StreamFailure::CertificateUntrusted);
    for (test, years) in [("past", [2_000, 2_001]), ("future", [3_000, 3_001])] {
        let files = Files::with(test, |parameters| {
            parameters.not_before = date_time_ymd(years[0], 1, 1);
            parameters.not_after = date_time_ymd(years[1], 1, 1);
        });
        assert_eq!(
            failure_with(&files, &files.authorities(), None),
            StreamFailure::CertificateTime,
            "{test}"
        );
        let pinned = client(&TlsTrust::Fingerprint(files.fingerprint), None);
        assert!(pinned.streams.config.tls.is_some());
    }
}

#[test]
fn a_client_that_wants_tls_goes_on_with_nothing_less() {
    let files = Files::new("less");
    let mut client = client(&files.authorities(), None);
    let mut server = Rig::new(StreamsConfig::default());
    let target = to(server.address, LinkKind::Tcp);
    let id = client.streams.open(client.now, &target, &client.poller).unwrap();
    assert_eq!(client.streams.send(id, b"secret"), Queued::Yes);
    both_until(&mut client, &mut server, "the end", |_, server| server.ended(StreamFailure::NotTme) == 1);
    assert!(server.datagrams.is_empty());
}

#[test]
fn what_only_begins_like_tls_is_ended_and_counted() {
    let files = Files::new("begins");
    let mut server = files.server();
    let _nonsense = server.knock(b"\x16\x03\x01\x00\x05hello there");
    server.until("the nonsense", |rig| rig.ended(StreamFailure::TlsFailed) == 1);
    // TLS within TLS.
    let tls = TlsClient::new(&files.authorities(), None).unwrap();
    let [mut outer, mut inner] = [(); 2].map(|()| TlsSession::opened(&tls, "game.example:7777").unwrap());
    let (mut hello, mut out) = (Vec::new(), Vec::new());
    inner.write_tls(&mut hello);
    outer.write(&hello, &mut out);
    let mut socket = server.knock(&out);
    socket.set_nonblocking(true).unwrap();
    server.until("the inner one", |rig| {
        let (mut bytes, mut out) = ([0; 4_096], Vec::new());
        let count = socket.read(&mut bytes).unwrap_or(0);
        // The end of the outer session is no matter here.
        let _ = outer.read(&bytes[..count], &mut out, |_| Ok(()));
        let _ = socket.write_all(&out);
        rig.ended(StreamFailure::NotTme) == 1
    });
    // One that begins and says no more.
    let _silent = server.knock(b"\x16\x03");
    server.until("the silent one", |rig| rig.streams.statistics().open == 1);
    server.now += FIRST_BYTES_TIME_MAX;
    server.until("its end", |rig| rig.ended(StreamFailure::Unclaimed) == 1);
}

#[test]
fn a_fingerprint_is_read_with_and_without_colons() {
    let plain = "b5".repeat(32);
    let colons = ["B5"; 32].join(":");
    for text in [&plain, &colons] {
        assert_eq!(TlsTrust::pinned(text), Ok(TlsTrust::Fingerprint([0xb5; 32])), "{text}");
    }
    let wrong = [
        "",
        &plain[1..],
        &plain[2..],
        &format!("{plain}b5"),
        &format!("{colons}:B5"),
        &format!("{colons}:"),
        &plain.replacen('b', "g", 1),
        &plain.replacen('b', "+", 1),
        // As many pairs, and as many digits.
        &format!("b:{}", ["b5"; 31].join(":")),
        &format!("b:5b5:{}", ["b5"; 30].join(":")),
        &plain.replacen("b5", "ß", 1),
    ];
    for text in wrong {
        let error = TlsTrust::pinned(text).unwrap_err();
        assert!(error.path.is_none() && error.why.contains("64 hexadecimal digits"), "{text:?}: {error}");
    }
}

#[test]
fn files_that_are_wrong_are_named() {
    let files = Files::new("files");
    let other = Files::new("other");
    let (chain, key) = (files.file("chain.pem"), files.file("key.pem"));
    let missing = files.file("missing.pem");
    for (chain, key, expected) in [
        (&missing, &key, "missing.pem"),
        (&chain, &missing, "missing.pem"),
        (&key, &key, "no certificate in it"),
        (&chain, &chain, "chain.pem"),
        (&chain, &other.file("key.pem"), "key.pem: with"),
    ] {
        let error = TlsCertificate::from_files(chain, key).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = TlsClient::new(&TlsTrust::Authorities(missing.into()), None).unwrap_err().to_string();
    assert!(error.contains("missing.pem"), "{error}");
    let error = TlsClient::new(&files.authorities(), Some("no name!")).unwrap_err().to_string();
    assert!(error.contains("\"no name!\" is no name of a host"), "{error}");
}
