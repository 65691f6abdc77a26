//! Many at once: what one turn does for them, and who gives way.

use tme_core::stream::proxy::{ProxyHeader, TrustedProxies};

use super::*;

/// A rig and so many streams that wait in it with `bytes` each, none of which was read.
fn with_waiting(count: usize, bytes: &[u8]) -> (Rig, Vec<TcpStream>) {
    let mut rig = Rig::new(StreamsConfig::default());
    let clients: Vec<TcpStream> = (0..count).map(|_| rig.knock(b"")).collect();
    rig.until("all", |rig| rig.streams.statistics().open == count);
    // Whatever is said of new sockets has been said.
    rig.turn(Duration::from_millis(20));
    for mut client in &clients {
        client.set_nonblocking(true).unwrap();
        assert_eq!(client.write(bytes).unwrap(), bytes.len());
    }
    (rig, clients)
}

/// Numbers of streams in the order in which they were heard, each once.
fn heard(rig: &Rig) -> Vec<u32> {
    let mut numbers: Vec<u32> = Vec::new();
    for (id, _) in &rig.datagrams {
        if !numbers.contains(&id.number.get()) {
            numbers.push(id.number.get());
        }
    }
    numbers
}

#[test]
fn strangers_share_a_small_part_of_a_turn_and_each_gets_one() {
    let flood = stream_of(&[&b"x"[..]; 20_000]);
    let (mut rig, _clients) = with_waiting(40, &flood);
    let mut player = rig.knock(&stream_of(&[b"player"]));
    let (mut so_far, mut most) = (rig.streams.statistics().bytes_in, 0);
    let mut note = |rig: &Rig| {
        let now = rig.streams.statistics().bytes_in;
        most = most.max(now - so_far);
        so_far = now;
    };
    let is_player = |(_, datagram): &&(StreamId, Vec<u8>)| datagram == b"player";
    rig.until("the player", |rig| {
        note(rig);
        rig.datagrams.iter().any(|heard| is_player(&heard))
    });
    let id = rig.datagrams.iter().find(is_player).unwrap().0;
    rig.streams.claim(id);
    player.write_all(&stream_of(&[&[7; 16_000][..]; 3])[STREAM_MAGIC.len()..]).unwrap();
    for _ in 0..30 {
        rig.turn(Duration::ZERO);
        note(&rig);
    }
    assert!(most <= (READ_BYTES_UNCLAIMED_IN_ALL + 3 * 16_004) as u64, "{most} bytes in one turn");
    assert_eq!(heard(&rig).len(), 41, "nobody is overlooked");
    let of_player = rig.datagrams.iter().filter(|(from, _)| *from == id).count();
    assert_eq!(of_player, 4, "and who plays does not stand in their queue");
}

#[test]
fn those_who_play_by_streams_leave_a_turn_for_those_who_do_not() {
    let flood = stream_of(&[&[7; 16_000][..]; 18]);
    let (mut rig, _clients) = with_waiting(12, &flood);
    let numbers: Vec<u32> = rig.streams.streams.keys().copied().collect();
    for number in numbers {
        let id = rig.streams.streams[&number].id(number);
        rig.streams.claim(id);
    }
    let mut turns = 0;
    while rig.streams.statistics().bytes_in < 12 * flood.len() as u64 {
        let before = rig.streams.statistics().bytes_in;
        rig.turn(Duration::from_millis(20));
        let bytes = rig.streams.statistics().bytes_in - before;
        assert!(bytes <= READ_BYTES_IN_ALL as u64, "{bytes} bytes in one turn");
        turns += 1;
        assert!(turns < 1_000);
    }
    assert_eq!(heard(&rig).len(), 12);
}

#[test]
fn a_network_that_floods_pushes_out_its_own_and_nobody_else() {
    let proxies = "127.0.0.1".parse().map(|network| (network, ProxyHeader::ProxyProtocol));
    let proxies = TrustedProxies::new(proxies).unwrap();
    let mut rig = Rig::new(StreamsConfig { proxies, ..StreamsConfig::default() });
    let header = |last: u8| format!("PROXY TCP4 {last}.0.2.1 198.51.100.1 40000 7777\r\n").into_bytes();
    let hello = stream_of(&[b"hello"]);
    let mut knock = |network| {
        let before = rig.datagrams.len();
        let client = rig.knock(&[&header(network)[..], &hello].concat());
        rig.until("hello", |rig| rig.datagrams.len() > before);
        rig.now += Duration::from_millis(1);
        client
    };
    let _newcomer = knock(192);
    let _flood: Vec<TcpStream> = (0..8).map(|_| knock(203)).collect();
    // Who has not said yet for whom he speaks counts as the proxy's.
    let ids: Vec<StreamId> = rig.datagrams.iter().map(|(id, _)| *id).collect();
    rig.streams.strangers_max = 9;
    let mut more = Vec::new();
    for number in 1..=3 {
        let before = rig.datagrams.len();
        more.push(rig.knock(&[&header(203)[..], &hello].concat()));
        rig.until("one more", |rig| rig.datagrams.len() > before);
        assert_eq!(rig.ended(StreamFailure::TooMany), number);
    }
    let gone: Vec<StreamEvent> =
        ids[1..4].iter().map(|id| StreamEvent::Ended(*id, StreamFailure::TooMany)).collect();
    assert_eq!(rig.events, gone, "the oldest of those who are most");
    assert_eq!(rig.streams.strangers.count(), 9);
}

#[test]
fn beyond_the_limit_of_streams_strangers_give_way_to_newcomers_and_players_do_not() {
    let mut rig = Rig::new(StreamsConfig { streams_max: 3, ..StreamsConfig::default() });
    let hello = stream_of(&[b"hello"]);
    let mut clients = Vec::new();
    for count in 1..=4 {
        clients.push(rig.knock(&hello));
        rig.until("hello", |rig| rig.datagrams.len() == count);
        if count == 1 {
            let player = rig.datagrams[0].0;
            rig.streams.claim(player);
        }
    }
    assert_eq!(rig.events, [StreamEvent::Ended(rig.datagrams[1].0, StreamFailure::TooMany)]);
    for (id, _) in rig.datagrams.clone() {
        rig.streams.claim(id);
    }
    clients.push(rig.knock(&hello));
    rig.until("its end", |rig| rig.ended(StreamFailure::TooMany) == 2);
    assert_eq!((rig.datagrams.len(), rig.streams.statistics().open), (4, 3));
}

#[test]
fn several_drivers_share_the_places_for_strangers() {
    let mut first = Streams::new(StreamsConfig::default());
    let others = first.divide(4);
    assert_eq!(others.len(), 3);
    let parts: Vec<usize> =
        std::iter::once(&first).chain(&others).map(|streams| streams.strangers_max).collect();
    assert_eq!(parts, [UNCLAIMED_MAX / 4; 4]);
    assert_eq!(Streams::new(StreamsConfig::default()).divide(1).len(), 0);
}
