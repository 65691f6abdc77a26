//! The network thread: turns until it is told to stop, whatever happens in them.

use super::EngineError;
use super::crew::Crew;
use super::driver::Driver;
use super::shared::Shared;

/// Drives until the game asks for the end or nothing works any more. Where one of several network threads fails, all end.
pub(super) fn run_thread(mut driver: Driver, shared: &Shared, crew: &Crew) {
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        loop {
            if let Some(request) = shared.take_stop_request() {
                driver.begin_parting(&request)?;
            }
            if driver.has_parted() {
                let result = driver.finish_parting();
                shared.deliver(driver.events_mut());
                return result;
            }
            shared.deliver(driver.events_mut());
            driver.turn(None)?;
            shared.deliver(driver.events_mut());
        }
    }));
    let end = match outcome {
        Ok(Ok(())) => None,
        Ok(Err(error)) => {
            log::error!("network thread: {error}");
            Some(error)
        }
        Err(_) => {
            log::error!("network thread: panicked");
            Some(EngineError::Poisoned)
        }
    };
    let has_failed = end.is_some();
    shared.end(end);
    if has_failed {
        crew.stop_all();
    }
}
