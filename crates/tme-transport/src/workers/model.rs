//! The pool's queue in every order of its threads.

use std::sync::atomic::AtomicUsize;

use super::*;

/// Jobs that count how often they were run; what was dropped is counted by the tally.
fn job(tally: &Arc<Tally>, run: &Arc<AtomicUsize>) -> Job {
    let run = Arc::clone(run);
    let work = move || {
        run.fetch_add(1, Ordering::Relaxed);
    };
    Job::counted(work, Arc::clone(tally))
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(check);
}

#[test]
fn every_job_is_run_or_dropped_once_and_closing_ends_the_threads() {
    model(|| {
        let pool = Arc::new(WorkerPool::new(1, 8));
        let (tally, run) = (Arc::<Tally>::default(), Arc::<AtomicUsize>::default());
        let given = Arc::new(AtomicUsize::new(0));
        let (other, others_tally, others_run, others_given) =
            (Arc::clone(&pool), Arc::clone(&tally), Arc::clone(&run), Arc::clone(&given));
        let giver = loom::thread::spawn(move || {
            if other.execute(job(&others_tally, &others_run)).is_ok() {
                others_given.fetch_add(1, Ordering::Relaxed);
            }
        });
        if pool.execute(job(&tally, &run)).is_ok() {
            given.fetch_add(1, Ordering::Relaxed);
        }
        assert_eq!(pool.close(std::time::Duration::from_secs(3_600)), 0);
        giver.join().unwrap();
        let statistics = tally.statistics();
        assert_eq!(statistics.done as usize, run.load(Ordering::Relaxed));
        assert_eq!(statistics.done + statistics.dropped, 2, "given: {}", given.load(Ordering::Relaxed));
        assert!(statistics.done as usize <= given.load(Ordering::Relaxed));
    });
}

#[test]
fn a_job_that_comes_while_a_thread_falls_asleep_is_run() {
    model(|| {
        let pool = WorkerPool::new(1, 8);
        let (tally, run) = (Arc::<Tally>::default(), Arc::<AtomicUsize>::default());
        let is_done = Arc::new((crate::sync::Mutex::new(false), crate::sync::Condvar::new()));
        pool.execute(job(&tally, &run)).unwrap();
        let last = Arc::clone(&is_done);
        let work = move || {
            *last.0.lock() = true;
            last.1.notify_all();
        };
        pool.execute(Job::counted(work, Arc::clone(&tally))).unwrap();
        let mut done = is_done.0.lock();
        while !*done {
            is_done.1.wait(&mut done);
        }
        drop(done);
        assert_eq!(run.load(Ordering::Relaxed), 1, "in the order they came");
        assert_eq!(pool.close(std::time::Duration::from_secs(3_600)), 0);
        assert_eq!(tally.statistics().done, 2);
    });
}
