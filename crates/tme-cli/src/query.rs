//! `tme query`: asks servers what they are.

use serde_json::{Value, json};
use std::time::Duration;
use tme::query::{Answer, Querier, QueryError, ServerInfo};

use crate::arguments::QueryOptions;
use crate::{ExitReason, Failure, Output, interrupt};

/// Longest wait, so that Ctrl-C is seen.
const WAIT_MAX: Duration = Duration::from_millis(100);
const OUT: Output = Output::Stdout;

/// Asks every server named, and prints what each says.
///
/// # Errors
/// [`Failure`]: an address does not parse, or one of the servers did not answer.
pub fn run(options: &QueryOptions) -> Result<(), Failure> {
    interrupt::listen();
    let mut querier =
        Querier::start(Duration::from_secs(u64::from(options.timeout))).map_err(tme::Error::from)?;
    for server in &options.servers {
        querier.ask(server).map_err(|error| failure(server, &error))?;
    }
    let mut failed = None;
    while querier.open_count() > 0 && !interrupt::is_asked() {
        querier.update(WAIT_MAX).map_err(tme::Error::from)?;
        while let Some(answer) = querier.poll_answer() {
            if options.json {
                OUT.line(&to_json(&answer).to_string());
            } else if let Ok((address, info)) = &answer.result {
                OUT.line(&format!("{} ({address}): {}", answer.target, describe(info)));
            }
            if let Err(error) = &answer.result {
                let failure = failure(&answer.target, error);
                if !options.json && options.servers.len() > 1 {
                    OUT.line(&failure.to_string());
                }
                failed = Some(failure);
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn failure(server: &str, error: &QueryError) -> Failure {
    let reason = match error {
        QueryError::Address(_) | QueryError::TooMany => ExitReason::Usage,
        QueryError::Unresolved(_) | QueryError::TimedOut => ExitReason::Unreachable,
    };
    Failure::new(reason, format_args!("{server}: {error}"))
}

fn demands(info: &ServerInfo) -> Vec<&'static str> {
    let demands = info.demands;
    let named = [(demands.identity, "identity"), (demands.token, "token"), (demands.plaintext, "plaintext")];
    named.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
}

/// A server in one line.
pub(crate) fn describe(info: &ServerInfo) -> String {
    let wants = demands(info);
    let wants = if wants.is_empty() { String::new() } else { format!(", requires {}", wants.join(" and ")) };
    let said = match info.information.as_bytes() {
        [] => String::new(),
        bytes => format!(", says \"{}\"", bytes.escape_ascii()),
    };
    format!(
        "{} of {} players, {:.1} ms, application {:016x}, version {:?}{wants}{said}",
        info.peers,
        info.peers_max,
        info.rtt.as_secs_f64() * 1_000.0,
        info.application_id,
        info.versions.as_slice(),
    )
}

/// What a server says, as an object.
pub(crate) fn info_json(info: &ServerInfo) -> Value {
    json!({
        "versions": info.versions.as_slice(),
        "application": format!("{:016x}", info.application_id),
        "peers": info.peers,
        "peers_max": info.peers_max,
        "requires": demands(info),
        "information": info.information.as_bytes().escape_ascii().to_string(),
        "rtt_us": u64::try_from(info.rtt.as_micros()).unwrap_or(u64::MAX),
    })
}

fn to_json(answer: &Answer) -> Value {
    match &answer.result {
        Ok((address, info)) => {
            let mut value = info_json(info);
            value["server"] = json!(answer.target);
            value["address"] = json!(address.to_string());
            value
        }
        Err(error) => json!({ "server": answer.target, "error": error.to_string() }),
    }
}
