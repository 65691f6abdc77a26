//! Servers with a certificate and clients that ask for one, on real sockets.
#![allow(missing_docs)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tme::{
    Channel, Client, ClientBuilder, Error, Event, LinkChoice, LinkKind, Reason, Server, ServerBuilder,
    TlsTrust,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A certificate for `localhost` that vouches for itself; gone with this.
struct Files {
    folder: PathBuf,
}

impl Files {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tme-tls-facade-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.join("chain.pem"), made.cert.pem()).unwrap();
        std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        Self { folder }
    }

    fn chain(&self) -> PathBuf {
        self.folder.join("chain.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    fn server(&self) -> Server {
        plain_server().tls(self.chain(), self.key()).start().unwrap()
    }

    /// One that believes this certificate.
    fn client(&self, server: &Server) -> ClientBuilder {
        client(server).tls(TlsTrust::Authorities(self.chain().into())).tls_name("localhost")
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn plain_server() -> ServerBuilder {
    Server::builder().channel(Channel::reliable_ordered("chat")).listen("127.0.0.1:0").listen_tcp()
}

fn client(server: &Server) -> ClientBuilder {
    Client::builder()
        .connect(server.local_addr().to_string())
        .server_key(server.public_key())
        .links(LinkChoice::Tcp)
}

/// Drives both until the client has heard something of this kind.
fn heard<T>(server: &mut Server, client: &mut Client, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        assert!(Instant::now() < deadline, "not heard in time");
        server.update(Duration::from_millis(1)).unwrap();
        for event in server.events() {
            if let Event::Message { peer, channel, payload, .. } = event {
                server.send(peer, channel, &payload[..]).unwrap();
            }
        }
        client.update(Duration::from_millis(1)).unwrap();
        if let Some(found) = client.events().find_map(|event| wanted(&event)) {
            return found;
        }
    }
}

fn is_connected(event: &Event) -> Option<()> {
    matches!(event, Event::Connected { .. }).then_some(())
}

/// How the attempt of such a client ends.
fn end_of(server: &mut Server, builder: ClientBuilder) -> (Reason, String) {
    let mut client = builder.connect_timeout(Duration::from_secs(3)).start().unwrap();
    heard(server, &mut client, |event| match event {
        Event::Disconnected { reason, .. } => {
            Some((reason.reason, String::from_utf8_lossy(&reason.detail).into_owned()))
        }
        _ => None,
    })
}

#[test]
fn sessions_run_in_tls_and_say_what_carries_them() {
    let files = Files::new("sessions");
    for (links, kind) in [(LinkChoice::Tcp, LinkKind::Tcp), (LinkChoice::WebSocket, LinkKind::WebSocket)] {
        let mut server = files.server();
        let mut client = files.client(&server).links(links).start().unwrap();
        heard(&mut server, &mut client, is_connected);
        assert_eq!(client.link(), Some(kind));
        client.send(0, "echo").unwrap();
        let answer = heard(&mut server, &mut client, |event| match event {
            Event::Message { payload, .. } => Some(payload.to_vec()),
            _ => None,
        });
        assert_eq!(answer, b"echo");
    }
}

#[test]
fn a_certificate_that_does_not_match_is_told() {
    let files = Files::new("match");
    let mut server = files.server();
    let elsewhere = files.client(&server).tls_name("elsewhere.example");
    let stranger = client(&server).tls(TlsTrust::Fingerprint([7; 32]));
    for (builder, expected) in
        [(elsewhere, "certificate is for another name"), (stranger, "certificate is not trusted")]
    {
        let (reason, detail) = end_of(&mut server, builder);
        assert_eq!(reason, Reason::ConnectTimedOut);
        assert!(detail.contains(expected), "{detail}");
    }
    // The server is as well as before.
    let mut client = files.client(&server).start().unwrap();
    heard(&mut server, &mut client, is_connected);
}

#[test]
fn a_client_that_wants_tls_does_without_nowhere() {
    let files = Files::new("without");
    let mut server = plain_server().start().unwrap();
    let builder = files.client(&server);
    let (reason, detail) = end_of(&mut server, builder);
    assert_eq!(reason, Reason::ConnectTimedOut);
    assert!(detail.contains("over TCP"), "{detail}");
    assert_eq!(server.statistics().streams.ended.of(tme::StreamFailure::NotTme), 1);
}

#[test]
fn settings_that_cannot_be_are_told_at_the_start() {
    let files = Files::new("settings");
    let missing = files.folder.join("missing.pem");
    let no_tcp = Server::builder().listen("127.0.0.1:0").tls(files.chain(), files.key()).start().unwrap_err();
    assert!(matches!(&no_tcp, Error::Config(text) if text.contains("a certificate is for TCP")), "{no_tcp}");
    let no_file = plain_server().tls(files.chain(), &missing).start().unwrap_err();
    assert!(matches!(&no_file, Error::File { path, .. } if *path == missing), "{no_file}");
    let no_authority = Client::builder()
        .connect("127.0.0.1:1")
        .tls(TlsTrust::Authorities(missing.clone().into()))
        .start()
        .unwrap_err();
    assert!(matches!(&no_authority, Error::File { path, .. } if *path == missing), "{no_authority}");
    let no_name = Client::builder()
        .connect("127.0.0.1:1")
        .tls(TlsTrust::Fingerprint([0; 32]))
        .tls_name("a b")
        .start()
        .unwrap_err();
    assert!(matches!(&no_name, Error::Config(text) if text.contains("no name of a host")), "{no_name}");
    let no_tls = Client::builder().connect("127.0.0.1:1").tls_name("localhost").start().unwrap_err();
    assert!(matches!(&no_tls, Error::Config(text) if text.contains("needs TLS")), "{no_tls}");
}

#[test]
fn an_echo_has_no_use_for_tls() {
    let missing = TlsTrust::Authorities(PathBuf::from("/nowhere/missing.pem").into());
    let mut client = Client::builder().tls(missing).tls_name("no name!").start_echo().unwrap();
    let deadline = Instant::now() + PATIENCE;
    while !client.events().any(|event| is_connected(&event).is_some()) {
        assert!(Instant::now() < deadline, "not connected in time");
        client.update(Duration::from_millis(1)).unwrap();
    }
}
