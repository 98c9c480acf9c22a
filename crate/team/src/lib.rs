//! Threads as a [`Team`]: a job is handed out, and its end awaited, in about a microsecond.
//!
//! A token of a small model is some hundreds of jobs of 10 to 100 microseconds each, and between two of them the caller
//! works alone for a moment. So a worker spins for its next job, and sleeps only when none has come for a while.
//!
//! Measured on two cores (`cargo bench -p nomul-team`), a job that does nothing costs 0.24 microseconds here and 1.1 to 14
//! with rayon's `broadcast`, which queues a task for each thread. Who starts the threads is open: [`Pool::spawn`] does
//! where there is an operating system; a worker of a page calls [`Pool::work`].
//!
//! The crate's only unsafe code is that of [`Pool::run`], which lends a job to threads that outlive it.

use std::{
    cell::UnsafeCell,
    fmt, hint, io,
    num::NonZero,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
};

use crossbeam_utils::CachePadded;
use nomul::team::{Job, Number, Team};

/// How often a worker looks for its next job before it sleeps: some tenths of a millisecond. WebAssembly has no
/// instruction that waits a moment, so that a look is much shorter there.
const LOOKS: u32 = if cfg!(target_family = "wasm") { 1 << 18 } else { 1 << 13 };
/// How often the caller looks for the end of a job before it lets other programs run in between.
const PATIENCE: u32 = LOOKS / 8;

/// A place for threads to work: as many as [`Pool::new`] was told, of which the caller of [`Pool::run`] is the first.
pub struct Pool {
    size: usize,
    /// Held by whoever has a job done.
    turn: Mutex<()>,
    /// The job of this round and how many are to do it: written only under `turn` and while no worker is at work.
    job: UnsafeCell<Option<(Number, &'static Job<'static>)>>,
    /// Goes up by one with every job.
    round: CachePadded<AtomicU32>,
    /// Workers that have not finished the job of this round.
    busy: CachePadded<AtomicUsize>,
    /// Workers that sleep; changed under `bed`.
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    wake: Condvar,
    ended: AtomicBool,
    panicked: AtomicBool,
}

// SAFETY: `job` alone is not `Sync`. It is written in `run` alone: under `turn`, and after all workers of the round before
// said, by `busy`, that they are done with it; workers read it after they saw `round` change, which follows the write.
unsafe impl Sync for Pool {}

impl Pool {
    /// A pool of `size` workers. Those from 1 on have to call [`Pool::work`], each with its number, on threads of their
    /// own: a job waits for all of them.
    pub fn new(size: NonZero<usize>) -> Pool {
        Pool {
            size: size.get(),
            turn: Mutex::new(()),
            job: UnsafeCell::new(None),
            round: CachePadded::new(AtomicU32::new(0)),
            busy: CachePadded::new(AtomicUsize::new(0)),
            sleepers: AtomicUsize::new(0),
            bed: Mutex::new(()),
            wake: Condvar::new(),
            ended: AtomicBool::new(false),
            panicked: AtomicBool::new(false),
        }
    }

    /// A pool with its threads, which end with it.
    pub fn spawn(size: NonZero<usize>) -> io::Result<Threads> {
        let mut threads = Threads { pool: Arc::new(Pool::new(size)), handles: Vec::new() };
        for worker in 1..size.get() {
            let pool = Arc::clone(&threads.pool);
            let named = thread::Builder::new().name(format!("nomul-{worker}"));
            threads.handles.push(named.spawn(move || pool.work(worker))?);
        }
        Ok(threads)
    }

    /// Does the part of worker `worker`, from 1 on, of every job, until the pool ends.
    pub fn work(&self, worker: usize) {
        let (number, mut seen) = (worker as Number, 0);
        loop {
            if !self.look(seen) {
                self.sleep(seen);
            }
            if self.ended.load(Ordering::SeqCst) {
                return;
            }
            seen = self.round.load(Ordering::SeqCst);
            // SAFETY: the round has changed, so its job was written before and stays until this worker is done with it.
            let job = unsafe { *self.job.get() };
            // A panic must not take the worker away: all later jobs would wait for it. The caller is told.
            let job = job.filter(|(workers, _)| number < *workers);
            if job.is_some_and(|(_, job)| catch_unwind(AssertUnwindSafe(|| job(number))).is_err()) {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.busy.fetch_sub(1, Ordering::Release);
        }
    }

    /// Ends all workers; no job may be run after that.
    pub fn end(&self) {
        let bed = lock(&self.bed);
        self.ended.store(true, Ordering::SeqCst);
        self.wake.notify_all();
        drop(bed);
    }

    /// Whether there is another round than `seen`, or no more.
    fn has_news(&self, seen: u32) -> bool {
        self.round.load(Ordering::SeqCst) != seen || self.ended.load(Ordering::SeqCst)
    }

    /// Looks for news for a while; whether there are any.
    fn look(&self, seen: u32) -> bool {
        for _ in 0..LOOKS {
            if self.has_news(seen) {
                return true;
            }
            hint::spin_loop();
        }
        false
    }

    /// Sleeps until there are news. A function of its own, without results: V8's baseline compiler (in Node 20) loses
    /// track of a caller's constants around the instruction that waits.
    #[inline(never)]
    fn sleep(&self, seen: u32) {
        // Whoever changes the round looks for sleepers after that, and a sleeper looks for a new round after it said that
        // it sleeps: one of the two sees the other.
        let mut bed = lock(&self.bed);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        while !self.has_news(seen) {
            bed = self.wake.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    /// Waits until no worker is at work.
    fn gather(&self) {
        let mut looks = 0;
        while self.busy.load(Ordering::Acquire) > 0 {
            looks += 1;
            if looks % PATIENCE == 0 { thread::yield_now() } else { hint::spin_loop() }
        }
    }
}

impl Team for Pool {
    fn size(&self) -> usize {
        self.size
    }

    /// Where the pool is at work already, for another thread or for the job that asks, the caller does all parts itself.
    fn run(&self, workers: Number, job: &Job<'_>) {
        let turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => return (0..workers).for_each(job),
        };
        // SAFETY: `Gather` waits for the workers also when the caller's part panics, so no worker has the job for longer
        // than it is borrowed here. No worker is at work now, so that none reads what is written.
        unsafe { *self.job.get() = Some((workers, core::mem::transmute::<&Job<'_>, &'static Job<'static>>(job))) };
        self.busy.store(self.size - 1, Ordering::Relaxed);
        self.round.fetch_add(1, Ordering::SeqCst);
        let gather = Gather(self);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            drop(lock(&self.bed));
            self.wake.notify_all();
        }
        job(0);
        drop(gather);
        drop(turn);
        if self.panicked.swap(false, Ordering::Relaxed) {
            panic!("a worker panicked");
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Nothing that is locked here can be left half changed by a panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for all workers.
struct Gather<'a>(&'a Pool);

impl Drop for Gather<'_> {
    fn drop(&mut self) {
        self.0.gather();
    }
}

/// See [`Pool::spawn`].
#[derive(Debug)]
pub struct Threads {
    pool: Arc<Pool>,
    handles: Vec<JoinHandle<()>>,
}

impl Deref for Threads {
    type Target = Pool;

    fn deref(&self) -> &Pool {
        &self.pool
    }
}

impl Team for Threads {
    fn size(&self) -> usize {
        self.pool.size()
    }

    fn run(&self, workers: Number, job: &Job<'_>) {
        self.pool.run(workers, job);
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.pool.end();
        for handle in self.handles.drain(..) {
            // A worker catches what a job throws.
            let _ = handle.join();
        }
    }
}

#[cfg(test)]
mod tests;
