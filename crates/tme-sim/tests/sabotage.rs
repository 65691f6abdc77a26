//! Every oracle is wired up: an error made between engine and oracle ends the world, with the right name on it.

use std::time::Duration;

use tme_core::channel::{ChannelId, ChannelMode};
use tme_core::connection::Side;
use tme_core::link::LinkConditions;
use tme_sim::config::{ClientPlan, Flow, WorldConfig, both_ways};
use tme_sim::oracle::Oracle;
use tme_sim::{Failure, Sabotage, WorldOptions, WorldReport, run_config};

fn world(sabotage: Option<Sabotage>) -> Result<WorldReport, Failure> {
    let conditions = LinkConditions { delay: Duration::from_millis(10), ..LinkConditions::default() };
    let flows = ChannelMode::ALL.into_iter().flat_map(|mode| {
        [Side::Client, Side::Server]
            .map(|from| Flow::steady(0, from, ChannelId(mode as u8), Duration::from_millis(10), 100))
            .map(|flow| Flow { has_receipts: true, ..flow })
    });
    let mut config = WorldConfig {
        clients: vec![ClientPlan::plain(both_ways(conditions))],
        flows: flows.collect(),
        faulty_time: Duration::from_secs(4),
        ..WorldConfig::quiet(3)
    };
    // So few that a game that stops reading is soon noticed.
    config.server.limits.channel_credit_messages = 64;
    run_config(config, WorldOptions { sabotage, ..WorldOptions::default() })
}

#[test]
fn a_world_without_an_error_passes() {
    let report = world(None).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(report.messages.iter().all(|tally| tally.delivered > 300), "{report}");
}

#[test]
fn every_error_is_noticed_by_its_oracle() {
    use ChannelMode::{ReliableLatest, ReliableOrdered, ReliableUnordered, Sequenced, Unreliable};
    let errors = [
        (Sabotage::SwallowMessage(ReliableOrdered), Oracle::Ordered),
        (Sabotage::SwallowMessage(ReliableUnordered), Oracle::Convergence),
        (Sabotage::RepeatMessage(Unreliable), Oracle::Unreliable),
        (Sabotage::RepeatMessage(Sequenced), Oracle::Sequenced),
        (Sabotage::RepeatMessage(ReliableUnordered), Oracle::Unordered),
        (Sabotage::RepeatMessage(ReliableOrdered), Oracle::Ordered),
        (Sabotage::RepeatMessage(ReliableLatest), Oracle::Latest),
        (Sabotage::DamageMessage, Oracle::Contents),
        (Sabotage::ChangeKey, Oracle::Latest),
        (Sabotage::RepeatConnected, Oracle::Lifecycle),
        (Sabotage::NeverConsume, Oracle::Convergence),
        (Sabotage::ForgetConsumption, Oracle::Memory),
        (Sabotage::RepeatPacket, Oracle::PacketNumbers),
        (Sabotage::GrowPacket, Oracle::DatagramSize),
        (Sabotage::FloodStranger, Oracle::Amplification),
        (Sabotage::LoseDatagram, Oracle::Drops),
        (Sabotage::CloseUnasked, Oracle::Ending),
        (Sabotage::RefuseToSend, Oracle::Sending),
        (Sabotage::SwallowReceipt, Oracle::Receipts),
        (Sabotage::RepeatReceipt, Oracle::Receipts),
        (Sabotage::ConfuseReceipt, Oracle::Receipts),
        (Sabotage::KeepDeadline, Oracle::Deadline),
    ];
    for (sabotage, oracle) in errors {
        let failure = world(Some(sabotage)).expect_err(&format!("{sabotage:?} went unnoticed"));
        assert_eq!(failure.breach.oracle, oracle, "{sabotage:?}: {failure}");
    }
}

#[test]
fn a_failure_says_how_to_see_it_again() {
    let failure = world(Some(Sabotage::DamageMessage)).expect_err("damaged");
    let text = failure.to_string();
    let command = "cargo run --release -p tme-cli -- sim --seeds 1 --start-seed 3 --net lan";
    assert!(text.contains("world 3 (lan) failed at 1.") && text.ends_with(command), "{text}");
}
