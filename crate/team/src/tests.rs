use std::{sync::atomic::AtomicU64, time::Duration};

use super::*;
use nomul::team::{Crew, Team, split};

fn spawn(size: usize) -> Threads {
    Pool::spawn(NonZero::new(size).unwrap()).unwrap()
}

#[test]
fn every_worker_has_its_part_of_every_job() {
    for size in 1..=5 {
        let pool = spawn(size);
        let counts: Vec<AtomicU64> = (0..size).map(|_| AtomicU64::new(0)).collect();
        for round in 0..2000 {
            pool.run_all(&|worker| {
                counts[worker as usize].fetch_add(1 + round, Ordering::Relaxed);
            });
        }
        assert!(counts.iter().all(|count| count.load(Ordering::Relaxed) == 2000 * 2001 / 2), "{counts:?}");
    }
}

#[test]
fn what_workers_wrote_is_there_after_the_job() {
    let pool = spawn(3);
    let mut items = vec![0u64; 1000];
    for round in 1..=200 {
        split(Crew::new(&pool), &mut items, 7, |start, part| {
            (start..).zip(part).for_each(|(i, item)| *item += i as u64 * round)
        });
    }
    assert!((0..).zip(&items).all(|(i, &item)| item == i * 200 * 201 / 2));
}

#[test]
fn workers_that_sleep_are_woken() {
    let pool = spawn(3);
    let done = AtomicUsize::new(0);
    for _ in 0..3 {
        while pool.sleepers.load(Ordering::SeqCst) < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        pool.run_all(&|_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
    }
    assert_eq!(done.into_inner(), 9);
}

#[test]
fn a_pool_that_is_at_work_leaves_a_second_job_to_its_caller() {
    let pool = spawn(3);
    let done = AtomicUsize::new(0);
    // Within a job, and from several threads at once.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    pool.run_all(&|_| {
                        pool.run_all(&|_| {
                            done.fetch_add(1, Ordering::Relaxed);
                        });
                    });
                }
            });
        }
    });
    assert_eq!(done.into_inner(), 4 * 100 * 9);
}

#[test]
fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
    let pool = spawn(3);
    for culprit in 0..3 {
        let caught = catch_unwind(AssertUnwindSafe(|| pool.run_all(&|worker| assert_ne!(worker, culprit))));
        assert!(caught.is_err(), "{culprit}");
        let done = AtomicUsize::new(0);
        pool.run_all(&|_| {
            done.fetch_add(1, Ordering::Relaxed);
        });
        assert_eq!(done.into_inner(), 3);
    }
}

#[test]
fn threads_end_with_the_pool() {
    let pool = spawn(4);
    let shared = Arc::downgrade(&pool.pool);
    drop(pool);
    assert!(shared.upgrade().is_none());
}
