//! Time, injected: agents never ask the system for it.

/// The two clocks an agent needs, read once a duty cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Monotonic nanoseconds: for durations and deadlines.
    pub mono_ns: u64,
    /// Wall-clock nanoseconds since 1970: for timestamps that others see.
    pub wall_ns: u64,
}

/// A source of time.
pub trait Clock: Send + Sync {
    /// Both clocks now.
    fn now(&self) -> Now;
    /// The monotonic one alone.
    fn mono_ns(&self) -> u64 {
        self.now().mono_ns
    }
}

/// The machine's clocks, through the vDSO.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Now {
        Now {
            mono_ns: read(libc::CLOCK_MONOTONIC),
            wall_ns: read(libc::CLOCK_REALTIME),
        }
    }
    fn mono_ns(&self) -> u64 {
        read(libc::CLOCK_MONOTONIC)
    }
}

fn read(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid timespec for the kernel to fill; both clocks exist on every Linux.
    let failed = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(
        failed, 0,
        "clock_gettime cannot fail on a clock that exists"
    );
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
