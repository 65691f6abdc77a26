//! What an idle connection costs in memory, at a server with a thousand clients and at a client.
#![allow(missing_docs)]

#[path = "../../../tests/support/allocations.rs"]
mod allocations;
mod net;

use std::time::Duration;

use net::{Net, SERVER, all_modes, ms};
use tme_core::channel::{Channel, ChannelTable};
use tme_core::connection::{Connection, SendOptions};
use tme_core::link::LinkConditions;
use tme_core::payload::Payload;

const CLIENTS: usize = 1_000;
/// Promised are 8 KiB; a tenth is kept free for what is yet to come.
const BUDGET_BYTES: i64 = (8 << 10) * 9 / 10;
/// What a client that asks for the server's time pays for that.
const CLOCK_BYTES: i64 = 3 << 10;

fn four_channels() -> ChannelTable {
    let channels = [
        Channel::reliable_ordered("chat"),
        Channel::reliable_unordered("events"),
        Channel::reliable_latest("state"),
        Channel::sequenced("movement"),
    ];
    ChannelTable::new(channels).unwrap()
}

/// Bytes per connection at the server and at the clients, beyond what they held before they knew each other.
struct Costs {
    before: (i64, i64),
}

impl Costs {
    fn new(net: &Net) -> Self {
        Self { before: Self::held(net) }
    }

    fn held(net: &Net) -> (i64, i64) {
        (net.nodes[SERVER].live_bytes, net.nodes[1..].iter().map(|node| node.live_bytes).sum())
    }

    fn check(&self, net: &Net, when: &str) {
        let (server, client) = self.print(net, when);
        assert!(server <= BUDGET_BYTES && client <= BUDGET_BYTES, "{when}: {server} and {client} bytes");
    }

    fn print(&self, net: &Net, when: &str) -> (i64, i64) {
        let (at_server, at_clients) = Self::held(net);
        let clients = CLIENTS as i64;
        let (server, client) =
            ((at_server - self.before.0) / clients, (at_clients - self.before.1) / clients);
        println!("{when}: {server} bytes per connection at the server, {client} at a client");
        (server, client)
    }
}

#[test]
fn an_idle_connection_takes_no_more_than_8_kib() {
    println!("Connection itself: {} bytes", size_of::<Connection>());
    let tables = [
        ("default table", ChannelTable::default()),
        ("4 channels", four_channels()),
        ("5 modes", all_modes()),
    ];
    for (name, table) in tables {
        let channels = table.count() as u8;
        let mut net =
            Net::new(table.clone(), CLIENTS, LinkConditions { delay: ms(20), ..LinkConditions::default() });
        net.step = ms(5);
        let costs = Costs::new(&net);
        let pairs = net.connect_all();
        costs.check(&net, &format!("{name}, just connected"));
        net.advance_for(Duration::from_secs(12));
        costs.check(&net, &format!("{name}, idle for 12 s"));

        let payload = Payload::from(vec![0xA5; 200]);
        for n in 0..100u8 {
            for pair in &pairs {
                for (node, peer) in [(pair.node, pair.at_client), (SERVER, pair.at_server)] {
                    let sent = net.send(node, peer, n % channels, payload.clone(), SendOptions::default());
                    sent.unwrap();
                }
            }
            net.advance(|_, _, _| ());
        }
        net.advance_for(ms(500));
        costs.print(&net, &format!("{name}, half a second after 100 messages each way"));
        net.advance_for(Duration::from_secs(12));
        costs.check(&net, &format!("{name}, 12 s after them"));
    }
}

#[test]
fn the_servers_time_costs_its_clients_3_kib_and_the_server_nothing() {
    let mut net = Net::new(
        ChannelTable::default(),
        CLIENTS,
        LinkConditions { delay: ms(20), ..LinkConditions::default() },
    );
    net.step = ms(5);
    let pairs = net.connect_all();
    net.advance_for(Duration::from_secs(12));
    let costs = Costs::new(&net);
    for pair in &pairs {
        assert!(net.change(pair.node, |endpoint, now| endpoint.synchronise_clock(now, pair.at_client)));
    }
    net.advance_for(Duration::from_secs(30));
    let (server, client) = costs.print(&net, "30 s after all have begun to ask for the time, beyond that");
    assert!(server <= 0 && client <= CLOCK_BYTES, "{server} and {client} bytes");
}
