use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

/// Jobs that say when they begin and wait for a word each.
struct Gate {
    begun: mpsc::Receiver<u32>,
    release: mpsc::Sender<()>,
    say: mpsc::Sender<u32>,
    released: Arc<parking_lot::Mutex<mpsc::Receiver<()>>>,
}

impl Gate {
    fn new() -> Self {
        let (say, begun) = mpsc::channel();
        let (release, released) = mpsc::channel();
        Self { begun, release, say, released: Arc::new(parking_lot::Mutex::new(released)) }
    }

    fn job(&self, number: u32) -> impl FnOnce() + Send + 'static {
        let (say, released) = (self.say.clone(), Arc::clone(&self.released));
        move || {
            let _ = say.send(number);
            let _ = released.lock().recv();
        }
    }
}

fn workers_of(pool: &Arc<WorkerPool>) -> Workers {
    Workers::new(Some(SharedExecutor::new(Arc::clone(pool))))
}

#[test]
fn threads_start_when_there_is_work_and_never_more_than_allowed() {
    let pool = Arc::new(WorkerPool::new(2, 8));
    let workers = workers_of(&pool);
    assert_eq!(pool.thread_count(), 0, "there is nothing to do yet");
    let gate = Gate::new();
    let wanted: Vec<_> = (0..4).map(|number| workers.submit(gate.job(number)).unwrap()).collect();
    let mut first: Vec<u32> = (0..2).map(|_| gate.begun.recv().unwrap()).collect();
    first.sort_unstable();
    assert_eq!(first, [0, 1], "the oldest come first");
    assert_eq!((pool.thread_count(), pool.queue_count()), (2, 2));
    for _ in 0..4 {
        gate.release.send(()).unwrap();
    }
    gate.begun.iter().take(2).for_each(drop);
    assert_eq!(pool.close(Duration::from_secs(60)), 0);
    assert_eq!(pool.thread_count(), 0);
    assert_eq!(workers.statistics().done, 4);
    drop(wanted);
}

#[test]
fn a_full_queue_says_so_and_has_room_again_when_jobs_are_given_up() {
    let pool = Arc::new(WorkerPool::new(1, 2));
    let workers = workers_of(&pool);
    let gate = Gate::new();
    let running = workers.submit(gate.job(0)).unwrap();
    gate.begun.recv().unwrap();
    let mut waiting: Vec<_> = (1..3).map(|number| workers.submit(gate.job(number)).unwrap()).collect();
    let error = workers.submit(gate.job(3)).unwrap_err();
    assert_eq!(error.kind(), 1);
    assert_eq!(error.to_string(), "2 jobs wait for a worker thread, the limit; try again later");

    waiting.remove(0);
    let last = workers.submit(gate.job(4)).unwrap();
    drop(gate.release);
    assert_eq!([gate.begun.recv().unwrap(), gate.begun.recv().unwrap()], [2, 4], "nobody waits for 1");
    pool.close(Duration::from_secs(60));
    let expected = JobStatistics { submitted: 5, done: 3, panicked: 0, dropped: 1, refused: 1 };
    assert_eq!(workers.statistics(), expected);
    drop((running, waiting, last));
}

#[test]
fn a_panic_is_counted_and_its_thread_goes_on() {
    let pool = Arc::new(WorkerPool::new(1, 8));
    let workers = workers_of(&pool);
    let (done, answer) = mpsc::channel();
    let wanted = [
        workers.submit(|| panic!("a panic that this test wants")).unwrap(),
        workers.submit(move || done.send(thread::current().id()).unwrap()).unwrap(),
    ];
    answer.recv().unwrap();
    assert_eq!(pool.thread_count(), 1);
    assert_eq!(pool.close(Duration::from_secs(60)), 0);
    assert_eq!(
        workers.statistics(),
        JobStatistics { submitted: 2, done: 1, panicked: 1, dropped: 0, refused: 0 }
    );
    drop(wanted);
}

#[test]
fn closing_leaves_a_stuck_job_behind_and_drops_those_that_wait() {
    let pool = Arc::new(WorkerPool::new(1, 8));
    let workers = workers_of(&pool);
    let gate = Gate::new();
    let (kept, dropped) = mpsc::channel::<()>();
    let wanted =
        [workers.submit(gate.job(0)).unwrap(), workers.submit(move || kept.send(()).unwrap()).unwrap()];
    gate.begun.recv().unwrap();
    // Would wait for ever without a limit: nothing has been released.
    assert_eq!(pool.close(Duration::from_millis(1)), 1);
    assert!(dropped.recv().is_err(), "the one that waited is gone");
    assert_eq!(workers.submit(|| {}).unwrap_err().kind(), 2);
    assert_eq!(workers.statistics().dropped, 1);
    // What was left behind ends with its job.
    gate.release.send(()).unwrap();
    assert_eq!(pool.close(Duration::from_secs(60)), 0);
    drop(wanted);
}

#[test]
fn a_job_may_use_its_own_pool() {
    let pool = Arc::new(WorkerPool::new(1, 8));
    let (again, (done, answer)) = (Arc::clone(&pool), mpsc::channel());
    let second = Job::new(move || done.send(()).unwrap());
    pool.execute(Job::new(move || again.execute(second).unwrap())).unwrap();
    answer.recv().unwrap();
    pool.close(Duration::from_secs(60));
}

#[test]
fn a_panic_of_the_hosts_executor_is_a_refusal() {
    struct Broken;
    impl Executor for Broken {
        fn execute(&self, _: Job) -> Result<(), ExecuteError> {
            panic!("a panic that this test wants");
        }
    }
    let workers = Workers::new(Some(SharedExecutor::new(Broken)));
    assert_eq!(workers.submit(|| {}).unwrap_err().kind(), 4);
    assert_eq!(workers.statistics(), JobStatistics { submitted: 1, refused: 1, ..JobStatistics::default() });
}
