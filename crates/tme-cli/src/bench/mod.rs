//! `tme bench`: throughput and latency between two processes.

pub mod child;
mod workload;

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::arguments::{BenchOptions, WorkloadKind};
use crate::view::View;
use crate::{ExitReason, Failure, Output, format, interrupt};
use child::ServerProcess;
use workload::{Course, Measured, Workload, measure};

/// Runs the workloads and prints what they came to.
///
/// # Errors
/// [`Failure`]: the other process did not start or went away, or reliable messages did not arrive.
pub fn run(options: &BenchOptions) -> Result<(), Failure> {
    interrupt::listen();
    let output = Output::beside_json(options.json);
    let workloads: Vec<_> = Workload::ALL
        .into_iter()
        .filter(|workload| options.workload.is_empty() || options.workload.contains(&workload.kind))
        .collect();
    let server = ServerProcess::start(options.threads)?;
    let course = Course {
        address: server.address,
        key: server.key,
        length: Duration::from_secs(u64::from(options.seconds)),
        is_threaded: options.threads,
    };
    output.line(&headline(options));
    let mut view = View::new(output, 1, workloads.len() as u64 * u64::from(options.seconds), "s");
    let mut results = Vec::new();
    for (index, workload) in workloads.iter().enumerate() {
        let before = index as u64 * u64::from(options.seconds);
        let count = workloads.len();
        let measured = measure(&course, *workload, |elapsed| {
            let text = format!("{} ({} of {count})", workload.name(), index + 1);
            let seconds = elapsed.as_secs();
            view.show(before + seconds, std::slice::from_ref(&text), || format!("{text}: {seconds} s"));
        })?;
        results.push(measured);
        if interrupt::is_asked() {
            break;
        }
    }
    view.clear();
    drop(server);
    if options.json {
        Output::Stdout.line(&to_json(options, &results).to_string());
    } else {
        output.line(&table(&results));
    }
    verdict(&results)
}

fn verdict(results: &[Measured]) -> Result<(), Failure> {
    match results.iter().find(|measured| !measured.is_complete()) {
        Some(Measured { workload, sent, delivered, .. }) => Err(Failure::new(
            ExitReason::CheckFailed,
            format_args!("{}: {delivered} of {sent} messages arrived", workload.name()),
        )),
        None => Ok(()),
    }
}

fn headline(options: &BenchOptions) -> String {
    let drive = if options.threads { "network threads" } else { "inline" };
    format!(
        "TME bench · one client and one server, a process each · encrypted UDP over loopback · {drive} · {} s each",
        options.seconds
    )
}

fn table(results: &[Measured]) -> String {
    let mut text = String::new();
    let floods = || results.iter().filter(|measured| measured.workload.kind != WorkloadKind::Latency);
    let or_unknown = |cpu: Option<Duration>| {
        cpu.map_or("?".to_owned(), |cpu| format!("{:.2} µs", cpu.as_secs_f64() * 1e6))
    };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        " {:<24} {:>12} {:>11} {:>10} {:>11} {:>11} {:>11}",
        "workload", "messages/s", "payload", "delivered", "lost pkts", "sender CPU", "recv. CPU"
    );
    for measured in floods() {
        let _ = writeln!(
            text,
            " {:<24} {:>12} {:>11} {:>10} {:>11} {:>11} {:>11}",
            measured.workload.name(),
            format::rate(measured.rate()),
            format::byte_rate(measured.bytes_per_second()),
            format::percent(format::share(measured.delivered, measured.sent)),
            format::percent(lost_share(measured)),
            or_unknown(measured.cpu_per_message(measured.sender_cpu)),
            or_unknown(measured.cpu_per_message(measured.receiver_cpu)),
        );
    }
    for measured in results.iter().filter(|measured| measured.workload.kind == WorkloadKind::Latency) {
        let round_trip = &measured.round_trip;
        let time = |share: f64| format::time(round_trip.quantile(share));
        let _ = writeln!(
            text,
            " {:<24} round trip p50 {}  p99 {}  99.9 % {}  max {}  ({} messages)",
            measured.workload.name(),
            time(0.5),
            time(0.99),
            time(0.999),
            format::time(round_trip.max()),
            format::count(round_trip.count()),
        );
    }
    let _ = write!(
        text,
        "Rates are those at the receiver, from its first to its last message; CPU is user and system time of the\n\
         whole process per delivered message. Floods send what the engine takes; the latency is that of a\n\
         reliable-ordered message sent to the other process and back."
    );
    text
}

fn lost_share(measured: &Measured) -> f64 {
    if measured.packets_sent == 0 { 0.0 } else { format::share(measured.packets_lost, measured.packets_sent) }
}

fn to_json(options: &BenchOptions, results: &[Measured]) -> Value {
    let nanos = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e9);
    let of = |measured: &Measured| {
        let mut object = json!({
            "workload": measured.workload.kind.name(),
            "message_bytes": measured.workload.bytes,
            "window_messages": measured.workload.window,
            "sent": measured.sent,
            "delivered": measured.delivered,
            "messages_per_second": measured.rate(),
            "payload_bytes_per_second": measured.bytes_per_second(),
            "packets_sent": measured.packets_sent,
            "packets_lost": measured.packets_lost,
            "sender_cpu_ns_per_message": nanos(measured.cpu_per_message(measured.sender_cpu)),
            "receiver_cpu_ns_per_message": nanos(measured.cpu_per_message(measured.receiver_cpu)),
        });
        if let (WorkloadKind::Latency, Some(map)) = (measured.workload.kind, object.as_object_mut()) {
            map.insert("round_trip".to_owned(), measured.round_trip.to_json());
        }
        object
    };
    json!({
        "command": "bench",
        "version": env!("CARGO_PKG_VERSION"),
        "measured": "one client and one server, a process each, encrypted UDP over loopback",
        "drive": if options.threads { "threads" } else { "inline" },
        "seconds": options.seconds,
        "encrypted": true,
        "workloads": results.iter().map(of).collect::<Vec<_>>(),
    })
}
