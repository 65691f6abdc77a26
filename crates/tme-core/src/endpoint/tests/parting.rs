//! The end of a server: nobody comes in any more, everybody is told, and what was left is counted.

use super::*;
use crate::connection::{Disconnected, Origin};

fn words() -> Farewell {
    Farewell { reason: Reason::Shutdown, code: 7, detail: Payload::from("maintenance") }
}

impl Net {
    fn part(&mut self, mode: CloseMode) {
        let now = self.now;
        self.nodes[0].endpoint.begin_parting(now, mode, &words());
    }

    fn parting(&self) -> PartingStatistics {
        self.nodes[0].endpoint.parting_statistics().unwrap()
    }
}

impl Node {
    fn end(&self) -> &Disconnected {
        let mut ends = self.events.iter().filter_map(|event| match event {
            Event::Disconnected { reason, .. } => Some(&**reason),
            _ => None,
        });
        ends.next_back().unwrap()
    }
}

#[test]
fn newcomers_are_told_that_the_server_shuts_down_whatever_the_driver_says_of_admission() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    net.part(CloseMode::Flush);
    // A driver does so after each turn.
    net.nodes[0].endpoint.set_admitting(true);
    net.connect(1);
    net.run_for(ms(100));
    let end = net.nodes[1].end();
    assert_eq!(
        (end.reason, end.origin, &end.detail[..]),
        (Reason::Shutdown, Origin::Remote, &b"maintenance"[..])
    );
    assert_eq!((net.parting().refused, net.nodes[0].endpoint.statistics().refused_parting), (1, 1));
    assert!(net.nodes[0].events.is_empty());
}

#[test]
fn a_client_that_was_accepted_a_moment_before_is_told_instead_of_reset() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    net.connect(1);
    // CONNECT has come, the first packet has not.
    net.run_for(ms(17));
    assert_eq!(net.nodes[0].endpoint.unconfirmed_count(), 1);
    net.part(CloseMode::Flush);
    net.run_for(ms(100));
    let end = net.nodes[1].end();
    assert_eq!((end.reason, end.origin, end.code), (Reason::Shutdown, Origin::Remote, 7));
    assert_eq!(net.nodes[0].endpoint.unconfirmed_count(), 0);
    assert_eq!((net.parting().peers, net.parting().refused), (0, 1));
    assert!(net.nodes[0].events.is_empty(), "the game never hears of it");
}

#[test]
fn what_is_queued_goes_through_and_everybody_is_told_in_the_games_words() {
    let mut net = Net::new(vec![server_with(1, 8), client(1), client(2)]);
    net.connect(1);
    net.connect(2);
    net.run_for(ms(100));
    for peer in net.nodes[0].connected() {
        net.send(0, peer, "last words").unwrap();
    }
    net.part(CloseMode::Flush);
    assert_eq!((net.parting().peers, net.parting().waiting(), net.parting().messages_undelivered), (2, 2, 2));
    net.run_for(ms(200));
    for client in [1, 2] {
        let end = net.nodes[client].end();
        assert_eq!((end.reason, end.code, &end.detail[..]), (Reason::Shutdown, 7, &b"maintenance"[..]));
        assert_eq!(net.nodes[client].messages()[0].1, b"last words");
    }
    let expected = PartingStatistics { peers: 2, told: 2, ..PartingStatistics::default() };
    assert_eq!((net.parting(), net.nodes[0].endpoint.connection_count()), (expected, 0));
}

#[test]
fn who_is_gone_is_unanswered_and_its_messages_undelivered_and_who_left_has_left() {
    let mut net = Net::new(vec![server_with(1, 8), client(1), client(2)]);
    net.connect(1);
    let leaver = net.connect(2);
    net.run_for(ms(100));
    net.nodes[1].is_cut_off = true;
    for peer in net.nodes[0].connected() {
        net.send(0, peer, "12345").unwrap();
    }
    let now = net.now;
    net.nodes[2].endpoint.disconnect(now, leaver, CloseMode::Now, Farewell::new(Reason::Closed));
    net.run_for(ms(4));
    net.part(CloseMode::Flush);
    net.run_for(ms(500));
    let counted = net.parting();
    assert_eq!((counted.left, counted.told, counted.waiting()), (1, 0, 1));
    // The driver's time is up.
    net.nodes[0].endpoint.cut_flushes_short();
    net.run_for(ms(1));
    net.nodes[0].endpoint.abandon_closing();
    let counted = net.parting();
    assert_eq!((counted.peers, counted.left, counted.unanswered, counted.waiting()), (2, 1, 1, 0));
    assert!(counted.messages_undelivered >= 1, "{counted:?}");
    assert_eq!(counted.bytes_undelivered, 5 * counted.messages_undelivered);
    net.run_for(ms(1));
    assert_eq!(net.parting(), counted, "also when the places are cleared away");
}

#[test]
fn who_is_leaving_already_hears_the_words_it_was_given() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    net.connect(1);
    net.run_for(ms(100));
    let peer = net.nodes[0].connected()[0];
    net.send(0, peer, "the result").unwrap();
    let (now, kick) = (net.now, Farewell { code: 42, ..Farewell::new(Reason::Kicked) });
    net.nodes[0].endpoint.disconnect(now, peer, CloseMode::Flush, kick.clone());
    // Asking again, too, changes nothing.
    net.nodes[0].endpoint.disconnect(now, peer, CloseMode::Flush, Farewell::new(Reason::Closed));
    net.part(CloseMode::Flush);
    net.run_for(ms(200));
    assert_eq!(net.nodes[1].messages()[0].1, b"the result");
    assert_eq!((net.nodes[1].end().reason, net.nodes[1].end().code), (Reason::Kicked, 42));
    assert_eq!((net.parting().peers, net.parting().told), (1, 1));
}

#[test]
fn messages_that_the_last_ack_speaks_of_are_delivered() {
    let mut net = Net::new(vec![server_with(1, 8), client(1)]);
    net.connect(1);
    net.run_for(ms(100));
    let peer = net.nodes[0].connected()[0];
    let options = SendOptions { receipt: Some(5), ..SendOptions::default() };
    let now = net.now;
    net.nodes[0].endpoint.send(now, peer, ChannelId(0), Payload::from("x"), options).unwrap();
    net.run_for(Duration::from_micros(100));
    // CLOSE leaves before the message was acknowledged, and one ACK speaks of both.
    net.part(CloseMode::Now);
    net.run_for(ms(200));
    assert!(net.nodes[0].events.iter().any(|event| matches!(event, Event::Delivered { token: 5, .. })));
    assert_eq!((net.parting().told, net.parting().messages_undelivered), (1, 0));
}

#[test]
fn attempts_end_at_once() {
    let mut net = Net::new(vec![client(1)]);
    net.connect(0);
    net.part(CloseMode::Flush);
    assert_eq!(net.nodes[0].endpoint.connection_count(), 0);
    net.run_for(ms(1));
    assert_eq!(net.nodes[0].disconnected(), [Reason::Aborted]);
}
