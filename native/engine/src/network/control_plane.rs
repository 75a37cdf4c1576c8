//! The way to the control plane and back: requests with payloads in preallocated slots, answers in boxes that return.

use std::cell::UnsafeCell;
use std::sync::Arc;

use crate::lwp::control::MAX_PLANE_REQUEST;
use crate::node::ControlId;

pub use crate::node::{ControlAnswer, HelloSettings};

/// Requests that the control plane may have at once.
pub const CONTROL_SLOTS: usize = 256;

/// The payloads of requests under way.
pub struct ControlSlots {
    slots: Box<[UnsafeCell<[u8; MAX_PLANE_REQUEST]>]>,
}

// SAFETY: a slot is written by the network agent only while no request refers to it, and read only through that request.
unsafe impl Sync for ControlSlots {}
// SAFETY: plain bytes.
unsafe impl Send for ControlSlots {}

impl ControlSlots {
    pub(super) fn new() -> Arc<Self> {
        let slots = (0..CONTROL_SLOTS)
            .map(|_| UnsafeCell::new([0; MAX_PLANE_REQUEST]))
            .collect();
        Arc::new(Self { slots })
    }

    /// Writes a payload into a slot that no request refers to.
    pub(super) fn write(&self, slot: u16, payload: &[u8]) {
        // SAFETY: the network agent owns free slots, and this one leaves the free list only with the request made next.
        let to = unsafe { &mut *self.slots[slot as usize].get() };
        to[..payload.len()].copy_from_slice(payload);
    }
}

/// Network -> control plane: a command whose payload has the right form (lwp.md, "Control commands").
pub struct ControlRequest {
    /// Echoed in the answer. Every request is answered, also when its connection is gone.
    pub id: ControlId,
    /// Command code.
    pub code: u64,
    pub(super) slots: Arc<ControlSlots>,
    pub(super) slot: u16,
    pub(super) len: u16,
}

impl ControlRequest {
    /// The payload. Its slot is used again only after the request was answered, so copy it out before.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        // SAFETY: the network agent does not touch the slot until this request's answer arrives, which takes the request.
        let slot = unsafe { &*self.slots.slots[self.slot as usize].get() };
        &slot[..self.len as usize]
    }
}
