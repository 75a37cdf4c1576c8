//! What a thread does while none of its agents has anything to do.

use crate::node::Idle;

/// An idle strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IdleStrategy {
    /// Looks again at once: lowest latency, a whole core.
    Spin,
    /// Lets others run first, then looks again.
    Yield,
    /// Waits in the kernel until there is something to do.
    Park,
}

impl IdleStrategy {
    /// What the operator asked for; `by_layout` where that is `auto`.
    #[must_use]
    pub fn resolve(asked: Idle, by_layout: Self) -> Self {
        match asked {
            Idle::Auto => by_layout,
            Idle::Spin => Self::Spin,
            Idle::Yield => Self::Yield,
            Idle::Park => Self::Park,
        }
    }
}
