//! `tme discover`: which servers there are on this network.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tme::discovery::{Discovery, DiscoveryConfig, FoundServer, no_network};

use crate::arguments::DiscoverOptions;
use crate::{ExitReason, Failure, Output, interrupt, query};

/// Longest wait, so that Ctrl-C is seen.
const WAIT_MAX: Duration = Duration::from_millis(100);
const OUT: Output = Output::Stdout;

/// Looks around for as long as it is told, and prints who has answered.
///
/// # Errors
/// [`Failure`]: nobody has answered, or there is no network to ask.
pub fn run(options: &DiscoverOptions) -> Result<(), Failure> {
    interrupt::listen();
    let mut config = match &options.application {
        Some(name) => DiscoveryConfig::of(name),
        None => DiscoveryConfig::of_all(),
    };
    config = config.port(options.port);
    if options.this_machine {
        config = config.this_machine();
    }
    let mut discovery = Discovery::start(config).map_err(tme::Error::from)?;
    let end = Instant::now() + Duration::from_secs(u64::from(options.seconds));
    while Instant::now() < end && !interrupt::is_asked() {
        let left = end.saturating_duration_since(Instant::now());
        discovery.search_for(left.min(WAIT_MAX)).map_err(tme::Error::from)?;
    }
    let mut servers: Vec<_> = discovery.servers().collect();
    if servers.is_empty() {
        return Err(nobody(&discovery, options.seconds));
    }
    servers.sort_by_key(|server| (&server.name, server.id));
    for server in servers {
        OUT.line(&if options.json { to_json(server).to_string() } else { describe(server) });
    }
    Ok(())
}

fn nobody(discovery: &Discovery, seconds: u32) -> Failure {
    if discovery.asked_count() == 0 {
        return Failure::new(ExitReason::Unreachable, no_network(discovery));
    }
    let problems: String = discovery.problems().iter().map(|problem| format!("; {problem}")).collect();
    let text = format!(
        "no server answered in {seconds} s on {} addresses of this machine (is one discoverable? does a firewall drop UDP?){problems}",
        discovery.asked_count()
    );
    Failure::new(ExitReason::Unreachable, text)
}

/// A stranger's text as it may be shown: the protocol lets no control characters through, and characters that turn the direction of
/// writing would make one thing look like another.
fn shown(name: &str) -> String {
    let is_turning = |character| matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    name.chars().map(|character| if is_turning(character) { '\u{fffd}' } else { character }).collect()
}

fn describe(server: &FoundServer) -> String {
    let others: String = server.addresses[1..].iter().map(|address| format!(" {address}")).collect();
    let others = if others.is_empty() { others } else { format!(", also at{others}") };
    format!(
        "{} \"{}\": {}{others}",
        server.address(),
        shown(server.name.as_str()),
        query::describe(&server.info)
    )
}

fn to_json(server: &FoundServer) -> Value {
    let mut value = query::info_json(&server.info);
    value["name"] = json!(server.name.as_str());
    value["address"] = json!(server.address().to_string());
    value["addresses"] = server.addresses.iter().map(ToString::to_string).collect();
    value["channel_table"] = json!(format!("{:016x}", server.table_hash));
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_turns_the_direction_of_writing_is_shown_as_what_it_is() {
        assert_eq!(shown("Bob\u{202e}exe.\u{2066}"), "Bob\u{fffd}exe.\u{fffd}");
        assert_eq!(shown("Bärbels Höhle ⚔"), "Bärbels Höhle ⚔");
    }
}
