//! One thread's place: taken by the thread itself, and watched by it.

use std::cell::Cell;
use std::fs;
use std::io;
use std::os::fd::RawFd;

use super::numa::here;
use super::tables::stay_on_node;
use super::{keep_ring_workers_on, pin_thread};
use crate::counters::{keys, Counter, CountersFile, Gauge};
use crate::idle::IdleStrategy;

/// Lowest real-time priority: above every normal thread, below the kernel's own.
const FIFO_PRIORITY: libc::c_int = 1;

/// Where a thread belongs. The default is wherever the system puts it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Seat {
    pub cpu: Option<u32>,
    /// The CPU's node: memory that the thread asks for comes from it.
    pub node: Option<u32>,
    /// Asks for SCHED_FIFO, once pinned.
    pub fifo: bool,
    /// CPUs for the kernel's workers for the thread's ring.
    pub others: Vec<u32>,
}

/// How taking a seat ended.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Taken {
    pub pinned: bool,
    pub fifo: bool,
    /// What the system refused, a sentence each.
    pub announcements: Vec<String>,
}

impl Seat {
    /// Puts the calling thread there. What is refused is announced, and the thread does without.
    #[must_use]
    pub fn take(&self, thread: &str, idle: IdleStrategy) -> Taken {
        let mut taken = Taken::default();
        let Some(cpu) = self.cpu else {
            return taken;
        };
        if let Err(e) = pin_thread(0, &[cpu]) {
            taken.announcements.push(format!(
                "thread {thread} is not pinned to CPU {cpu} ({e}): it runs where the system puts it, and does not spin"
            ));
            return taken;
        }
        taken.pinned = true;
        stay_on_node(self.node);
        if self.fifo {
            match ask_for_fifo(idle) {
                Ok(()) => taken.fifo = true,
                Err(why) => taken.announcements.push(format!(
                    "thread {thread} keeps the normal scheduling class: {why}"
                )),
            }
        }
        taken
    }

    /// Keeps the kernel's workers for the thread's ring off the agents' cores. Returns what is to be announced.
    #[must_use]
    pub fn keep_workers_off(&self, thread: &str, ring: RawFd) -> Option<String> {
        if self.cpu.is_none() || self.others.is_empty() {
            return None;
        }
        let refused = keep_ring_workers_on(ring, &self.others).err()?;
        Some(format!(
            "the kernel's io_uring workers of thread {thread} may run on agents' cores ({refused}; Linux 5.14 can keep them off)"
        ))
    }
}

fn ask_for_fifo(idle: IdleStrategy) -> Result<(), String> {
    if idle != IdleStrategy::Park && throttles() {
        return Err(
            "it never sleeps, and kernel.sched_rt_runtime_us takes the core from such a real-time thread for a while in \
             every second; set runtime.idle to \"park\", or the limit to -1"
                .into(),
        );
    }
    let parameters = libc::sched_param {
        sched_priority: FIFO_PRIORITY,
    };
    // Its children, the kernel's workers among them, are normal threads.
    let class = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the parameters are valid for the call to read.
    if unsafe { libc::sched_setscheduler(0, class, &raw const parameters) } == 0 {
        return Ok(());
    }
    Err(format!(
        "{}; grant CAP_SYS_NICE (AmbientCapabilities=) or LimitRTPRIO=1",
        io::Error::last_os_error()
    ))
}

/// Whether the kernel limits real-time threads.
fn throttles() -> bool {
    fs::read_to_string("/proc/sys/kernel/sched_rt_runtime_us").map_or(true, |us| us.trim() != "-1")
}

/// Where a thread was last seen, for the counters. The thread itself looks.
pub struct Whereabouts {
    cpu: Gauge,
    node: Gauge,
    pinned: Gauge,
    migrations: Counter,
    last: Cell<u32>,
}

impl Whereabouts {
    /// Registers them under the label.
    #[must_use]
    pub fn new(file: &CountersFile, label: &str) -> Self {
        Self {
            cpu: file.gauge(keys::THREAD_CPU, label),
            node: file.gauge(keys::THREAD_NODE, label),
            pinned: file.gauge(keys::THREAD_PINNED, label),
            migrations: file.counter(keys::THREAD_MIGRATIONS, label),
            last: Cell::new(u32::MAX),
        }
    }
    /// The thread has taken its seat, or none.
    pub fn begin(&self, pinned: bool) {
        self.pinned.set(u64::from(pinned));
        let (cpu, node) = here();
        self.show(cpu, node);
    }
    /// Looks whether the thread has moved: no system call unless it has.
    #[inline]
    pub fn look(&self) {
        // SAFETY: plain library call, answered without entering the kernel.
        let cpu = unsafe { libc::sched_getcpu() };
        if cpu.cast_unsigned() != self.last.get() {
            self.migrations.inc();
            let (cpu, node) = here();
            self.show(cpu, node);
        }
    }
    fn show(&self, cpu: u32, node: u32) {
        self.last.set(cpu);
        self.cpu.set(u64::from(cpu));
        self.node.set(u64::from(node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::allowed_cpus;

    fn on_its_own<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(run).join().unwrap()
    }

    #[test]
    fn a_seat_on_a_cpu_that_is_not_there_is_announced_and_the_thread_stays_free() {
        let (taken, before, after) = on_its_own(|| {
            let before = allowed_cpus(0);
            let seat = Seat {
                cpu: Some(60_000),
                node: Some(0),
                fifo: true,
                others: vec![0],
            };
            (seat.take("t", IdleStrategy::Spin), before, allowed_cpus(0))
        });
        assert!(!taken.pinned && !taken.fifo);
        assert_eq!(taken.announcements.len(), 1);
        assert_eq!(before, after);
    }

    #[test]
    fn a_thread_that_spins_is_not_made_real_time_where_the_kernel_would_stop_it() {
        if !throttles() {
            return;
        }
        let class = on_its_own(|| {
            let seat = Seat {
                cpu: allowed_cpus(0).first().copied(),
                fifo: true,
                ..Seat::default()
            };
            let taken = seat.take("t", IdleStrategy::Spin);
            assert!(taken.pinned && !taken.fifo);
            assert!(taken.announcements[0].contains("sched_rt_runtime_us"));
            // SAFETY: plain system call.
            unsafe { libc::sched_getscheduler(0) }
        });
        assert_eq!(class, libc::SCHED_OTHER);
    }

    #[test]
    fn a_pinned_thread_does_not_migrate_and_a_moved_one_is_counted() {
        let counters = CountersFile::heap();
        let whereabouts = Whereabouts::new(&counters, "runner=t");
        let cpus = allowed_cpus(0);
        let migrations = on_its_own(move || {
            pin_thread(0, &cpus[..1]).unwrap();
            whereabouts.begin(true);
            for _ in 0..1000 {
                whereabouts.look();
            }
            let still = whereabouts.migrations.get();
            pin_thread(0, &cpus[cpus.len() - 1..]).unwrap();
            whereabouts.look();
            (still, whereabouts.migrations.get(), cpus.len())
        });
        let (still, moved, cpus) = migrations;
        assert_eq!(still, 0);
        assert_eq!(moved, u64::from(cpus > 1));
    }
}
