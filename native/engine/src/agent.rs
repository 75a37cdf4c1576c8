//! Agents: the stages of the data plane (design.md, section 3).

use crate::clock::Now;
use crate::ring::Completion;

/// What an agent is lent for one duty cycle: the time and its thread's ring.
pub struct Cx<'a, R: ?Sized> {
    /// Both clocks, read by the runner at the start of the cycle.
    pub now: Now,
    /// The one ring of the thread.
    pub ring: &'a mut R,
}

/// A stage with a name and a duty cycle. Never blocks, never allocates after start-up.
///
/// `R` is the ring it needs: `DiskRing` alone for agents that the simulator runs, all of `Ring` for those on sockets.
pub trait Agent<R: ?Sized>: Send {
    /// Its role, as `lance top` and the thread list show it.
    fn name(&self) -> &'static str;
    /// Does what there is to do, a bounded amount of it. Returns how much that was; 0 is idle.
    fn do_work(&mut self, cx: &mut Cx<'_, R>) -> usize;
    /// Takes a completion of an operation that it submitted (its number is in the token).
    fn on_completion(&mut self, cx: &mut Cx<'_, R>, completion: Completion);
    /// When it next has something to do of its own accord, in monotonic nanoseconds; a parked runner wakes by then.
    fn next_deadline_ns(&self) -> Option<u64> {
        None
    }
}
