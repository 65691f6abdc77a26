//! What the system tells about this process, and grants it.

use std::time::Duration;

use crate::{ExitReason, Failure};

/// Processor time, user and system together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CpuOf {
    /// All threads of this process.
    Process,
    /// The calling thread. Linux only.
    Thread,
}

/// Processor time used so far; `None` where this system does not tell.
#[cfg(unix)]
pub(crate) fn cpu_time(of: CpuOf) -> Option<Duration> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;

    let who = match of {
        CpuOf::Process => UsageWho::RUSAGE_SELF,
        #[cfg(target_os = "linux")]
        CpuOf::Thread => UsageWho::RUSAGE_THREAD,
        #[cfg(not(target_os = "linux"))]
        CpuOf::Thread => return None,
    };
    let usage = getrusage(who).ok()?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Some(Duration::from_micros(u64::try_from(micros).ok()?))
}

/// Processor time used so far; `None` where this system does not tell.
#[cfg(not(unix))]
pub(crate) fn cpu_time(_of: CpuOf) -> Option<Duration> {
    None
}

/// Makes sure that this process may open so many files and sockets, raising its own limit if need be.
#[cfg(unix)]
pub(crate) fn allow_open_files(needed: u64) -> Result<(), Failure> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};

    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return Ok(()) };
    if soft >= needed {
        return Ok(());
    }
    if hard < needed || setrlimit(Resource::RLIMIT_NOFILE, needed, hard).is_err() {
        return Err(Failure::new(
            ExitReason::Other,
            format_args!(
                "this needs {needed} open files and sockets, the system allows {hard}; use fewer bots, or raise the \
                 limit (`ulimit -n {needed}`)"
            ),
        ));
    }
    Ok(())
}

/// Makes sure that this process may open so many files and sockets; this system has no such limit to raise.
#[cfg(not(unix))]
pub(crate) fn allow_open_files(_needed: u64) -> Result<(), Failure> {
    Ok(())
}
