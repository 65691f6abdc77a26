//! Processor time and memory of this process, as Linux accounts them.

use std::fs;
use std::io;
use std::time::Duration;

/// Processor time since the start.
pub struct Usage {
    /// Of the engine's network thread.
    pub network_thread: Duration,
    /// How often that thread was given the processor.
    pub network_switches: u64,
    /// Of all threads.
    pub process: Duration,
}

impl Usage {
    pub fn now() -> io::Result<Self> {
        let mut usage = Self { network_thread: Duration::ZERO, network_switches: 0, process: Duration::ZERO };
        for task in fs::read_dir("/proc/self/task")? {
            let task = task?.path();
            let name = fs::read_to_string(task.join("comm"))?;
            // Nanoseconds on a processor, nanoseconds waiting for one, times it got one.
            let schedule = fs::read_to_string(task.join("schedstat"))?;
            let mut fields = schedule.split_whitespace().map(|field| field.parse().unwrap_or(0));
            let time = Duration::from_nanos(fields.next().unwrap_or(0));
            usage.process += time;
            if name.trim() == "tme-net" {
                usage.network_thread += time;
                usage.network_switches += fields.nth(1).unwrap_or(0);
            }
        }
        Ok(usage)
    }
}

/// Memory of this process that is in RAM.
pub fn resident_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kibibytes.unwrap_or(0) * 1_024)
}
