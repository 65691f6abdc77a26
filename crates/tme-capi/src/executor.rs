//! Job: work that may take long, for a host that runs it in its own way.

use std::ffi::c_void;

use parking_lot::Mutex;
use tme::workers::{ExecuteError, Executor, Job};

use crate::boundary::{Kind, Owner, destroy, guard};
use crate::failure::Failure;
use crate::result::{TME_ERROR_NULL, TME_OK, TmeResult};

/// Something to be done once, on a thread that may take its time. Given to a TmeExecutor, which sees to it that
/// tme_job_run or tme_job_discard is called for it, once.
pub struct TmeJob {
    _opaque: [u8; 0],
}

/// A host's function that has a job done: the game's own job system, say.
///
/// It is called on the thread that drives the client or querier (in tme_client_create, in an update, on the network thread),
/// with no lock held. It must return soon, so it hands the job to another thread, which calls tme_job_run. It must neither
/// throw nor call the library, except tme_job_run and tme_job_discard. Several threads may call it at once if several
/// handles have it. It is not called any more once the handle's destroy has returned; jobs that it was given may be run later.
pub type TmeExecutor = Option<unsafe extern "C" fn(job: *mut TmeJob, user_data: *mut c_void)>;

/// What stands behind a `TmeJob`.
struct JobInner {
    // Nobody takes the lock: it makes the job one that threads may share.
    job: Mutex<Job>,
}

impl Kind for JobInner {
    type Public = TmeJob;
    const MAGIC: u64 = u64::from_ne_bytes(*b"TmeTask1");
    const NAME: &'static str = "the pointer is not a TmeJob";
}

/// The host's executor, as the library calls it.
pub(crate) struct HostExecutor {
    execute: unsafe extern "C" fn(job: *mut TmeJob, user_data: *mut c_void),
    user_data: *mut c_void,
}

impl HostExecutor {
    /// NULL is none.
    pub fn new(executor: TmeExecutor, user_data: *mut c_void) -> Option<Self> {
        executor.map(|execute| Self { execute, user_data })
    }
}

// SAFETY: the pointer is not followed here, only handed back; the host was told which threads do so.
unsafe impl Send for HostExecutor {}
// SAFETY: as above.
unsafe impl Sync for HostExecutor {}

impl Executor for HostExecutor {
    fn execute(&self, job: Job) -> Result<(), ExecuteError> {
        let job = Owner::into_handle(JobInner { job: Mutex::new(job) });
        // SAFETY: the host has promised that its function may be called so, until the handle that it was given to has ended.
        unsafe { (self.execute)(job, self.user_data) };
        Ok(())
    }
}

/// Does a job, however long that takes: the look-up of a name takes the system up to half a minute.
///
/// A job whose client or querier is gone does nothing.
///
/// Parameters: `job`, which is used up.
/// Returns: TME_OK; TME_ERROR_NULL; TME_ERROR_HANDLE.
/// Threads: any; not one that must not wait.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_job_run(job: *mut TmeJob) -> TmeResult {
    guard(|| {
        if job.is_null() {
            return Err(Failure::with(TME_ERROR_NULL, "the job is NULL"));
        }
        Owner::<JobInner>::take(job)?.job.into_inner().run();
        Ok(TME_OK)
    })
}

/// Gives a job up that will not be run. Whoever waits for it hears of that: a client whose server's name was to be looked up ends
/// with TME_REASON_UNRESOLVED.
///
/// Parameters: `job`, which is used up; NULL does nothing.
/// Returns: TME_OK; TME_ERROR_HANDLE.
/// Threads: any.
/// Since: 0.1
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tme_job_discard(job: *mut TmeJob) -> TmeResult {
    destroy::<JobInner>(job)
}
