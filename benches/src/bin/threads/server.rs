//! The server of one run: sends everything back until its standard input ends.

use std::error::Error;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};
use tme::{Event, Server};

/// Prints its address and key, and in the end how many messages it had and the processor time that they took.
pub fn run(threads: usize) -> Result<(), Box<dyn Error>> {
    let builder = Server::builder().listen("127.0.0.1:0").max_peers(4_096);
    let mut server = match threads {
        0 => builder.start(),
        threads => builder.network_threads(threads).start_threaded(),
    }?;
    println!("{} {}", server.local_addr(), server.public_key());
    let is_over = Arc::new(AtomicBool::new(false));
    let (ended, handle) = (Arc::clone(&is_over), server.handle());
    std::thread::spawn(move || {
        // Whatever it says, it has ended.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        ended.store(true, Ordering::SeqCst);
        handle.wake();
    });
    let mut messages = 0u64;
    // From the first message on: handshakes are another matter.
    let mut cpu_before = None;
    while !is_over.load(Ordering::SeqCst) {
        server.update(Duration::from_millis(100))?;
        for event in server.events() {
            let Event::Message { peer, channel, payload, .. } = event else { continue };
            if cpu_before.is_none() {
                cpu_before = Some(cpu_time()?);
            }
            messages += 1;
            // Whoever has left needs none.
            let _ = server.send(peer, channel, payload);
        }
    }
    let cpu = cpu_time()?.saturating_sub(cpu_before.unwrap_or_default());
    println!("{messages} {}", cpu.as_micros());
    Ok(())
}

/// Processor time of this process, all threads together.
fn cpu_time() -> Result<Duration, Box<dyn Error>> {
    Ok(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}
