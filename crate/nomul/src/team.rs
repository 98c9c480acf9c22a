//! Several workers on one task, each with a fixed part of it.
//!
//! A [`Team`] runs a job once for each of its workers; who they are (threads, or one after the other) is the shell's
//! business. Parts are fixed by their numbers, so a result never depends on who was faster.

use core::ops::Range;

use spin::Mutex;

use crate::address::{divide, times};

/// The most workers that parts are made for.
pub const MOST_WORKERS: usize = 32;

/// The number of a worker. Its type is wider than need be, so that a call of a job through a table is of a type of its own
/// in WebAssembly, and who reads a module can tell what such a call may reach.
pub type Number = u64;

/// What workers are asked to do: `job(worker)`.
pub type Job<'a> = dyn Fn(Number) + Sync + 'a;

/// Workers with numbers.
pub trait Team: Send + Sync {
    /// How many there are: at least one.
    fn size(&self) -> usize;

    /// Calls `job(worker)` once for each `worker` in `0..workers`, which are no more than there are, possibly at once, and
    /// returns when all have returned.
    fn run(&self, workers: Number, job: &Job<'_>);

    /// [`Team::run`] with all workers.
    fn run_all(&self, job: &Job<'_>) {
        self.run(self.size() as Number, job);
    }
}

/// A team of one: the caller.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Team for Alone {
    fn size(&self) -> usize {
        1
    }

    fn run(&self, _: Number, job: &Job<'_>) {
        job(0);
    }
}

/// A team to share work out to, and how many of it are to work: asked once and not for every job.
#[derive(Clone, Copy)]
pub struct Crew<'a> {
    team: &'a dyn Team,
    size: usize,
}

impl<'a> Crew<'a> {
    /// All of a team, or [`MOST_WORKERS`] of it.
    pub fn new(team: &'a dyn Team) -> Crew<'a> {
        Crew::of(team, team.size())
    }

    /// The first `size` of a team that has as many.
    pub(crate) fn of(team: &'a dyn Team, size: usize) -> Crew<'a> {
        Crew { team, size: size.min(MOST_WORKERS) }
    }

    /// The caller, and nobody else.
    pub fn alone() -> Crew<'static> {
        Crew { team: &Alone, size: 1 }
    }
}

/// A worker's part, the number of its first item, and what is its own.
type Part<'a, T, O> = (usize, &'a mut [T], &'a mut O);

/// The part of a worker out of `count` things: contiguous, all of nearly the same size.
pub fn share(count: usize, workers: usize, worker: usize) -> Range<usize> {
    let each = divide(count, workers);
    let longer = count - times(each, workers);
    let start = times(worker, each) + worker.min(longer);
    start..start + each + usize::from(worker < longer)
}

/// Calls `job(start, part)` for the part of each worker: the units of `unit` items (the last may be shorter), shared out;
/// `start` is the number of the part's first item. Workers without a part are not called.
pub fn split<T: Send>(crew: Crew<'_>, items: &mut [T], unit: usize, job: impl Fn(usize, &mut [T]) + Sync) {
    split_with(crew, items, unit, &mut [(); MOST_WORKERS], |start, part, ()| job(start, part));
}

/// Like [`split`], where each worker also has something of its own; there are no more workers than `own`.
pub fn split_with<T: Send, O: Send>(
    crew: Crew<'_>,
    items: &mut [T],
    unit: usize,
    own: &mut [O],
    job: impl Fn(usize, &mut [T], &mut O) + Sync,
) {
    let mut workers = crew.size.min(own.len());
    let mut units = 0;
    if workers > 1 {
        units = divide(items.len() + (unit - 1), unit);
        workers = workers.min(units);
    }
    if workers <= 1 {
        if let Some(own) = own.first_mut().filter(|_| !items.is_empty()) {
            job(0, items, own);
        }
        return;
    }
    let (mut start, mut rest, mut own) = (0, items, own.iter_mut());
    // Each is taken by one worker, so that no lock is ever waited for.
    let parts: [Mutex<Option<Part<T, O>>>; MOST_WORKERS] = core::array::from_fn(|worker| {
        Mutex::new((worker < workers).then(|| own.next()).flatten().map(|own| {
            let length = times(share(units, workers, worker).len(), unit).min(rest.len());
            let (part, others) = core::mem::take(&mut rest).split_at_mut(length);
            rest = others;
            start += length;
            (start - length, part, own)
        }))
    });
    crew.team.run(workers as Number, &|worker| {
        if let Some((start, part, own)) = parts.get(worker as usize).and_then(|part| part.lock().take()) {
            job(start, part, own);
        }
    });
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};
    use std::thread;

    use super::*;

    /// Threads that live for one job; where there are none, one after the other, in a strange order.
    struct Threads(usize);

    impl Team for Threads {
        fn size(&self) -> usize {
            self.0
        }

        fn run(&self, workers: Number, job: &Job<'_>) {
            if cfg!(target_family = "wasm") {
                return (0..workers).rev().for_each(job);
            }
            thread::scope(|scope| {
                (0..workers).for_each(|worker| drop(scope.spawn(move || job(worker))));
            });
        }
    }

    #[test]
    fn shares_follow_each_other_and_differ_by_one_at_most() {
        for (count, workers) in (0..40).flat_map(|count| (1..9).map(move |workers| (count, workers))) {
            let shares: Vec<_> = (0..workers).map(|worker| share(count, workers, worker)).collect();
            assert_eq!((shares[0].start, shares[workers - 1].end), (0, count));
            assert!(shares.windows(2).all(|pair| pair[0].end == pair[1].start));
            assert!(shares.iter().all(|share| share.len() - count / workers <= 1), "{count} for {workers}");
        }
    }

    #[test]
    fn every_item_is_in_one_part_of_whole_units() {
        for (count, unit, workers) in
            (0..50).flat_map(|count| (1..6).flat_map(move |unit| [1, 2, 3, 33].map(|workers| (count, unit, workers))))
        {
            let mut items = vec![usize::MAX; count];
            let mut own = vec![0; workers];
            split_with(Crew::new(&Threads(workers)), &mut items, unit, &mut own, |start, part, own| {
                assert!(start % unit == 0 && !part.is_empty());
                *own += part.len();
                (start..).zip(part).for_each(|(number, item)| *item = number);
            });
            assert!(items.iter().enumerate().all(|(number, &item)| number == item), "{count}, {unit}, {workers}");
            assert_eq!(own.iter().sum::<usize>(), count);
            assert!(own.iter().all(|&length| length <= (count.div_ceil(unit).div_ceil(workers.min(32))) * unit));
        }
    }

    #[test]
    fn one_worker_is_the_caller() {
        let caller = thread::current().id();
        split(Crew::alone(), &mut [0; 9], 4, |start, part| {
            assert_eq!((start, part.len(), thread::current().id()), (0, 9, caller));
        });
    }
}
