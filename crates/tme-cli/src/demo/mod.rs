//! `tme demo`: a server and bots over encrypted loopback sockets, and what that is like.

mod bots;
mod report;
mod server;
mod tally;
mod traffic;
mod watchers;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tme::{LinkKind, Server};

use crate::view::{Output, REFRESH, View};
use crate::{DemoOptions, ExitReason, Failure, interrupt, network, process};
use bots::BotsSetup;
pub use report::DemoReport;
use report::{Screen, Timeline};
use tally::{Phase, Stage};

/// Keeps a demo's bots from other games' servers.
const APPLICATION: &str = "tme demo";
/// Open files of one client: a socket, and what it takes to wait for it.
const FILES_PER_BOT: u64 = 4;
/// More of them over TCP: a stream at each end.
const FILES_PER_STREAM: u64 = 2;
/// And of everything else.
const FILES_OTHERWISE: u64 = 64;
/// How long all bots together may take to connect, at least.
const CONNECT_PATIENCE: Duration = Duration::from_secs(15);
/// More of it for every bot.
const CONNECT_PATIENCE_PER_BOT: Duration = Duration::from_millis(20);
/// How long what is under way may take to arrive after the last send.
const DRAIN_PATIENCE: Duration = Duration::from_secs(15);
const STEP: Duration = Duration::from_millis(20);

/// Runs the demo with its view, and prints its summary.
///
/// # Errors
/// [`Failure`]: it could not run, or a reliable message was not delivered.
pub fn run(options: &DemoOptions) -> Result<(), Failure> {
    interrupt::listen();
    let output = Output::beside_json(options.json);
    let report = measure(options, output)?;
    if options.json {
        println!("{}", report.to_json());
    } else {
        output.line(&report.to_string());
    }
    report.verdict()
}

/// Runs the demo, with its view on `output`.
///
/// # Errors
/// [`Failure`] if it could not run.
pub fn measure(options: &DemoOptions, output: Output) -> Result<DemoReport, Failure> {
    network::check(options.net, options.link.choice())?;
    let files_per_bot = match options.link.kind() {
        LinkKind::Udp => FILES_PER_BOT,
        LinkKind::Tcp | LinkKind::WebSocket => FILES_PER_BOT + FILES_PER_STREAM,
    };
    process::allow_open_files(u64::from(options.bots) * files_per_bot + FILES_OTHERWISE)?;
    let server = start_server(options)?;
    let setup =
        BotsSetup { address: server.local_addr(), key: server.public_key(), options: options.clone() };
    output.line(&report::headline(options));
    if options.watch
        && let Some(address) = server.tcp_addr()
    {
        output.line(&format!("to watch, open bindings/web/example with ws://{address}/"));
    }
    let cast = Cast::start(server, setup)?;
    let stage = Arc::clone(&cast.stage);
    let result = perform(options, output, &cast);
    // A thread that failed knows better why bots did not connect.
    let timeline = cast.end().and(result)?;
    let (server, bots) = (stage.server.lock().clone(), stage.bots.lock().clone());
    Ok(DemoReport::new(options.clone(), timeline, server, bots))
}

fn start_server(options: &DemoOptions) -> Result<Server, Failure> {
    let builder = Server::builder()
        .application(APPLICATION)
        .channels(traffic::channels())
        .listen(options.listen().to_string())
        .max_peers(options.bots as usize + if options.watch { watchers::WATCHERS_MAX } else { 0 });
    let builder = match options.link.kind() {
        LinkKind::Udp if !options.watch => builder,
        _ => builder.listen_tcp(),
    };
    Ok(match options.server_threads() {
        0 => builder.start(),
        threads => builder.network_threads(threads as usize).start_threaded(),
    }?)
}

/// The threads of a demo.
struct Cast {
    stage: Arc<Stage>,
    server: JoinHandle<Result<(), Failure>>,
    bots: JoinHandle<Result<(), Failure>>,
}

impl Cast {
    fn start(server: Server, setup: BotsSetup) -> Result<Self, Failure> {
        let stage = Arc::new(Stage::new());
        let hz = setup.options.hz;
        let on_stage = Arc::clone(&stage);
        let server = spawn("demo-server", move || server::run(&on_stage, server, hz))?;
        let on_stage = Arc::clone(&stage);
        let bots = spawn("demo-bots", move || bots::run(&on_stage, &setup))?;
        Ok(Self { stage, server, bots })
    }

    /// Whether a thread ended before it was asked to.
    fn has_failed(&self) -> bool {
        self.server.is_finished() || self.bots.is_finished()
    }

    /// Ends the threads in order: bots say goodbye to a server that still listens.
    fn end(self) -> Result<(), Failure> {
        self.stage.enter(Phase::Leaving);
        let bots = join(self.bots);
        self.stage.enter(Phase::Over);
        join(self.server).and(bots)
    }
}

fn spawn(
    name: &str,
    body: impl FnOnce() -> Result<(), Failure> + Send + 'static,
) -> Result<JoinHandle<Result<(), Failure>>, Failure> {
    let thread = std::thread::Builder::new().name(name.to_owned()).spawn(body);
    thread.map_err(|error| Failure::new(ExitReason::Other, format_args!("no thread to be had: {error}")))
}

fn join(thread: JoinHandle<Result<(), Failure>>) -> Result<(), Failure> {
    let panicked =
        |_| Err(Failure::new(ExitReason::Other, "a thread of the demo panicked; please report it"));
    thread.join().unwrap_or_else(panicked)
}

/// Goes through the phases until everything is delivered, time is up or the user has seen enough.
fn perform(options: &DemoOptions, output: Output, cast: &Cast) -> Result<Timeline, Failure> {
    let stage = &*cast.stage;
    let patience = CONNECT_PATIENCE + CONNECT_PATIENCE_PER_BOT * options.bots;
    let began = Instant::now();
    let bots = u64::from(options.bots);
    let all_connected = wait_until(cast, patience, || {
        stage.bots.lock().connected >= bots && stage.server.lock().connected >= bots
    });
    if !all_connected && !interrupt::is_asked() && !cast.has_failed() {
        let tally = stage.bots.lock();
        let why = tally.last_end.as_deref().unwrap_or("no answer");
        let text = format!("only {} of {bots} bots connected within {patience:?}: {why}", tally.connected);
        return Err(Failure::new(ExitReason::Unreachable, text));
    }
    let mut timeline = Timeline::start(began.elapsed());
    let mut view = View::new(output, Screen::LINES, u64::from(options.seconds), "s");
    let mut screen = Screen::new(stage);
    stage.enter(Phase::Running);
    let mut draw_at = Instant::now() + REFRESH;
    while timeline.elapsed().as_secs() < u64::from(options.seconds)
        && !interrupt::is_asked()
        && !cast.has_failed()
    {
        std::thread::sleep(STEP.min(draw_at.saturating_duration_since(Instant::now())));
        if Instant::now() >= draw_at {
            draw_at += REFRESH;
            let figures = screen.look();
            timeline.add(&figures);
            view.show(timeline.elapsed().as_secs(), &figures.lines(), || figures.plain(timeline.elapsed()));
        }
    }
    timeline.stop();
    stage.enter(Phase::Draining);
    let drain = Instant::now();
    wait_until(cast, DRAIN_PATIENCE, || {
        let (server, bots) = (stage.server.lock(), stage.bots.lock());
        server.has_delivered_to(&bots) && bots.has_delivered_to(&server)
    });
    timeline.drained_after = drain.elapsed();
    view.clear();
    Ok(timeline)
}

/// Waits for something to become true; `false` if it has not within `patience`, or a thread has ended.
fn wait_until(cast: &Cast, patience: Duration, is_done: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + patience;
    // Interrupted while connecting there is nothing to wait for; while draining the wait is short.
    let is_hopeless = || {
        cast.has_failed()
            || Instant::now() >= deadline
            || (interrupt::is_asked() && cast.stage.phase() == Phase::Connecting)
    };
    while !is_done() {
        if is_hopeless() {
            return false;
        }
        std::thread::sleep(STEP);
    }
    true
}
