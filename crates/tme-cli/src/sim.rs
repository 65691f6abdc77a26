//! `tme sim`: simulated worlds by the seed, on all processors.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tme::{ChannelMode, Preset};
use tme_sim::{LatencySamples, WorldConfig, WorldOptions, WorldReport};

use crate::arguments::SimOptions;
use crate::view::View;
use crate::{ExitReason, Failure, Output, format, interrupt};

/// Failures shown in full; of further ones only the count.
const FAILURES_SHOWN: usize = 10;

/// Runs the worlds and prints a table; a failed one with the command that replays it.
///
/// # Errors
/// [`Failure`] if a world failed.
pub fn run(options: &SimOptions) -> Result<(), Failure> {
    interrupt::listen();
    let output = Output::beside_json(options.json);
    let agenda = Agenda::new(options);
    let presets: Vec<_> = agenda.presets.iter().map(|preset| preset.name()).collect();
    output.line(&format!(
        "TME sim · seeds {} to {} · {} · {} worlds",
        options.start_seed,
        options.start_seed.saturating_add(options.seeds - 1),
        presets.join(" "),
        format::count(agenda.count),
    ));
    let began = Instant::now();
    let results = if options.trace { agenda.run_traced() } else { agenda.run(options.jobs(), output) };
    let summary = Summary { agenda: &agenda, results: &results, took: began.elapsed() };
    if options.json {
        Output::Stdout.line(&summary.to_json().to_string());
    } else {
        output.line(&summary.table());
    }
    let failures = summary.failures();
    for failure in failures.iter().take(FAILURES_SHOWN) {
        Output::Stderr.line(failure);
    }
    match failures.len() {
        0 => Ok(()),
        count => Err(Failure::new(
            ExitReason::CheckFailed,
            format_args!("{count} of {} worlds failed", results.len()),
        )),
    }
}

/// What came of a world.
struct Outcome {
    seed: u64,
    preset: Preset,
    result: Result<Box<WorldReport>, String>,
}

/// Which worlds to run: every seed with every preset.
struct Agenda {
    presets: Vec<Preset>,
    start_seed: u64,
    count: u64,
}

impl Agenda {
    fn new(options: &SimOptions) -> Self {
        let presets = options.presets();
        let count = options.seeds.saturating_mul(presets.len() as u64);
        Self { presets, start_seed: options.start_seed, count }
    }

    /// The n-th world. Presets alternate, so that a run that is ended early has seen all of them.
    fn world(&self, index: u64) -> Option<(u64, Preset)> {
        let presets = self.presets.len().max(1) as u64;
        let preset = self.presets.get((index % presets) as usize)?;
        (index < self.count).then(|| (self.start_seed.wrapping_add(index / presets), *preset))
    }

    /// Runs all worlds on `jobs` threads, with progress on `output`.
    fn run(&self, jobs: usize, output: Output) -> Vec<Outcome> {
        let next = AtomicU64::new(0);
        let (sender, receiver) = channel();
        let mut view = View::new(output, 1, self.count, "worlds");
        let mut results = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..jobs.max(1) {
                let sender = sender.clone();
                scope.spawn(|| self.work(&next, sender));
            }
            drop(sender);
            let (mut failed, began) = (0, Instant::now());
            while let Ok(outcome) = receiver.recv() {
                failed += usize::from(outcome.result.is_err());
                results.push(outcome);
                let done = results.len() as u64;
                let rate = done as f64 / began.elapsed().as_secs_f64().max(1e-3);
                let text = format!("{failed} failed, {rate:.1} worlds/s");
                view.show(done, std::slice::from_ref(&text), || {
                    format!("{done} / {} worlds: {text}", self.count)
                });
            }
        });
        view.clear();
        results.sort_by_key(|outcome| (outcome.seed, outcome.preset.name()));
        results
    }

    fn work(&self, next: &AtomicU64, results: Sender<Outcome>) {
        while !interrupt::is_asked() {
            let Some((seed, preset)) = self.world(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let result = run_world(seed, preset, WorldOptions::default());
            if results.send(Outcome { seed, preset, result }).is_err() {
                return;
            }
        }
    }

    /// Runs the worlds one after the other, printing what happens in them.
    fn run_traced(&self) -> Vec<Outcome> {
        let mut results = Vec::new();
        let mut index = 0;
        while let Some((seed, preset)) = self.world(index).filter(|_| !interrupt::is_asked()) {
            Output::Stdout.line(&format!("world {seed} ({preset})"));
            let trace = Box::new(|line: tme_sim::TraceLine| Output::Stdout.line(&line.to_string()));
            let options = WorldOptions { trace: Some(trace), ..WorldOptions::default() };
            results.push(Outcome { seed, preset, result: run_world(seed, preset, options) });
            index += 1;
        }
        results
    }
}

/// Runs one world; a panic is a failure like others.
fn run_world(seed: u64, preset: Preset, options: WorldOptions) -> Result<Box<WorldReport>, String> {
    let body = || tme_sim::run_config(WorldConfig::from_seed(seed, preset), options);
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(report)) => Ok(Box::new(report)),
        Ok(Err(failure)) => Err(failure.to_string()),
        Err(_) => Err(format!(
            "world {seed} ({preset}) panicked, see above\nreplay: cargo run --release -p tme-cli -- sim --seeds 1 \
             --start-seed {seed} --net {preset}"
        )),
    }
}

struct Summary<'a> {
    agenda: &'a Agenda,
    results: &'a [Outcome],
    took: Duration,
}

/// Sums over the worlds of a preset.
#[derive(Default)]
struct Row {
    worlds: u64,
    failed: u64,
    virtual_time: Duration,
    converged_after_max: Duration,
    connections: u64,
    datagrams: u64,
    lost: u64,
    delivered: u64,
    unreliable_sent: u64,
    unreliable_delivered: u64,
    retransmissions: u64,
    probe_timeouts: u64,
    ordered: LatencySamples,
}

impl Row {
    fn add(&mut self, outcome: &Outcome) {
        self.worlds += 1;
        let Ok(report) = &outcome.result else {
            self.failed += 1;
            return;
        };
        let unreliable = report.of(ChannelMode::Unreliable);
        self.virtual_time += report.virtual_time;
        self.converged_after_max = self.converged_after_max.max(report.converged_after);
        self.connections += report.connections;
        self.datagrams += report.datagrams;
        self.lost += report.lost;
        self.delivered += report.messages.iter().map(|tally| tally.delivered).sum::<u64>();
        self.unreliable_sent += unreliable.sent;
        self.unreliable_delivered += unreliable.delivered;
        self.retransmissions += report.retransmissions;
        self.probe_timeouts += report.probe_timeouts;
        self.ordered.merge(&report.ordered_latency);
    }
}

impl Summary<'_> {
    fn rows(&self) -> Vec<(Preset, Row)> {
        let row = |preset: &Preset| {
            let mut row = Row::default();
            self.results
                .iter()
                .filter(|outcome| outcome.preset == *preset)
                .for_each(|outcome| row.add(outcome));
            (*preset, row)
        };
        self.agenda.presets.iter().map(row).collect()
    }

    fn failures(&self) -> Vec<&str> {
        self.results.iter().filter_map(|outcome| outcome.result.as_ref().err()).map(String::as_str).collect()
    }

    fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            " {:<14} {:>7} {:>7} {:>9} {:>6} {:>11} {:>7} {:>11} {:>11} {:>9} {:>9} {:>9} {:>10}",
            "preset",
            "worlds",
            "failed",
            "virtual",
            "conns",
            "datagrams",
            "lost",
            "messages",
            "unreliable",
            "resent",
            "p50",
            "p99",
            "converged"
        );
        for (preset, row) in self.rows() {
            let _ = writeln!(
                text,
                " {:<14} {:>7} {:>7} {:>7.0} s {:>6} {:>11} {:>7} {:>11} {:>11} {:>9} {:>9} {:>9} {:>10}",
                preset.name(),
                row.worlds,
                row.failed,
                row.virtual_time.as_secs_f64(),
                row.connections,
                format::count(row.datagrams),
                format::percent(if row.datagrams == 0 {
                    0.0
                } else {
                    format::share(row.lost, row.datagrams)
                }),
                format::count(row.delivered),
                format::percent(format::share(row.unreliable_delivered, row.unreliable_sent)),
                format::count(row.retransmissions),
                format::time(row.ordered.quantile(0.5)),
                format::time(row.ordered.quantile(0.99)),
                format::time(row.converged_after_max),
            );
        }
        let virtual_time: Duration = self.rows().iter().map(|(_, row)| row.virtual_time).sum();
        let _ = write!(
            text,
            "{} worlds, {:.0} s of virtual time in {:.1} s; latencies are those of reliable-ordered messages while\n\
             faults were on; converged: the longest time that everything took to arrive after the network healed",
            self.results.len(),
            virtual_time.as_secs_f64(),
            self.took.as_secs_f64(),
        );
        text
    }

    fn to_json(&self) -> Value {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let row = |(preset, row): (Preset, Row)| {
            json!({
                "preset": preset.name(),
                "worlds": row.worlds,
                "failed": row.failed,
                "virtual_us": micros(row.virtual_time),
                "connections": row.connections,
                "datagrams": row.datagrams,
                "datagrams_lost": row.lost,
                "messages_delivered": row.delivered,
                "unreliable_sent": row.unreliable_sent,
                "unreliable_delivered": row.unreliable_delivered,
                "retransmissions": row.retransmissions,
                "probe_timeouts": row.probe_timeouts,
                "ordered_p50_us": micros(row.ordered.quantile(0.5)),
                "ordered_p99_us": micros(row.ordered.quantile(0.99)),
                "converged_after_max_us": micros(row.converged_after_max),
            })
        };
        let failed = |outcome: &Outcome| {
            let failure = outcome.result.as_ref().err()?;
            Some(json!({ "seed": outcome.seed, "preset": outcome.preset.name(), "failure": failure }))
        };
        json!({
            "command": "sim",
            "version": env!("CARGO_PKG_VERSION"),
            "start_seed": self.agenda.start_seed,
            "worlds": self.results.len(),
            "presets": self.rows().into_iter().map(row).collect::<Vec<_>>(),
            "failures": self.results.iter().filter_map(failed).collect::<Vec<_>>(),
            "took_us": micros(self.took),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_seed_meets_every_preset_once() {
        let presets = vec![Preset::Lan, Preset::Wifi];
        let agenda = Agenda { presets, start_seed: 7, count: 4 };
        let worlds: Vec<_> = (0..).map_while(|index| agenda.world(index)).collect();
        assert_eq!(worlds, [(7, Preset::Lan), (7, Preset::Wifi), (8, Preset::Lan), (8, Preset::Wifi)]);
    }
}
