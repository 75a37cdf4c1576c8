//! Connections: preallocated places, and the memory that each is guaranteed.

use std::os::fd::RawFd;
use std::ptr::NonNull;

use crate::lwp::header::Header;
use crate::memory::SlabId;
use crate::messages::ChecksumKind;

use super::keepalive::Keepalives;
use super::links::List;
use super::pins::PinList;
use super::requests::Pending;

/// What every connection has of its own for bytes that came: small frames are put together here, so that a slow sender
/// holds nothing that others need.
pub const IN_AREA: usize = 512;
/// And for bytes that go: acks and errors get out even when all else is lent.
pub const OUT_AREA: usize = 512;

/// What a connection is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody has this place.
    Free,
    Open,
    /// Its peer sends nothing more; what is owed still goes out.
    Finishing,
    /// Its last error goes out while what it sends is read and thrown away; closed at this monotonic time.
    Discarding(u64),
    /// Shut down: waits for its pending operations.
    Closing,
}

/// Where the frame being received goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Its connection's own area, header included.
    Area,
    /// A slab of the frame pool, payload at its start.
    Slab(SlabId),
}

/// How bytes are asked for. At most one is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiving {
    Not,
    /// Into shared buffers, until cancelled.
    Shared {
        cancelled: bool,
    },
    /// Into the connection's own area.
    Area,
    /// Into the slab of the frame.
    Slab,
}

/// What a paused connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Nothing,
    /// Room on the way to the ingest agent, or a ticket.
    Ingest,
    /// A slab with at least this many bytes.
    Slab(u32),
    /// Room on the way to the io agent, or a place for a request.
    Io,
    /// Room on the way to the control plane.
    Plane,
    /// Its own acks or answers to leave.
    Window,
}

/// Memory of a send under way.
pub enum Sending {
    Nothing,
    /// The connection's own area.
    Area,
    /// A chunk of the shared pool.
    Chunk(u16),
    /// A response slab, to be released.
    Slab(SlabId),
    /// A header in the own area; the payload follows.
    HeaderOf(Box<[u8]>),
    /// An answer of the control plane, behind its header.
    Payload(Box<[u8]>),
}

/// One connection.
pub struct Connection {
    pub socket: RawFd,
    pub state: State,
    /// Settled by the first frame.
    pub kind: Option<ChecksumKind>,
    /// Above the limit: its first frame is answered with 0x32.
    pub refused: bool,

    pub receiving: Receiving,
    /// Header first, then straight into place, instead of shared buffers.
    pub direct: bool,
    /// Small frames in a row; enough of them lead back to shared buffers.
    pub small_frames: u8,
    /// Shared buffers with bytes that are not parsed.
    pub held: List,
    /// Bytes in the own area.
    pub area_len: u32,
    /// The header of the frame being put together.
    pub frame: Option<Header>,
    pub place: Place,
    /// Payload bytes in the slab.
    pub got: u32,
    pub want: Want,
    /// The peer has closed its sending side.
    pub eof: bool,

    /// Ingest frames without their ack.
    pub window: List,
    pub requests: Pending,
    pub pins: PinList,
    pub keepalives: Keepalives,
    pub backpressure_due: bool,

    /// Hello was accepted.
    pub hello: bool,
    /// Hellos that the control plane has not answered.
    pub hellos_pending: u32,
    pub by_topic: bool,

    pub sending: Sending,
    pub send_from: *const u8,
    pub send_len: u32,
    /// When the send under way began or last got on, monotonic ns.
    pub send_ns: u64,
    /// The next big answer goes before more small ones.
    pub big_next: bool,
    /// Cancellations under way.
    pub cancels: u8,

    pub accepted_ns: u64,
    /// When the last frame was complete, or the first byte of the connection accepted.
    pub last_ns: u64,
    /// When the incomplete frame began to be received; 0: there is none, or we are the ones who do not read.
    pub began_ns: u64,
    /// A valid first frame has come.
    pub spoke: bool,
}

// SAFETY: `send_from` refers to memory that `sending` owns or to the connection's area, which live with the agent.
unsafe impl Send for Connection {}

impl Connection {
    pub fn free() -> Self {
        Self {
            socket: -1,
            state: State::Free,
            kind: None,
            refused: false,
            receiving: Receiving::Not,
            direct: false,
            small_frames: 0,
            held: List::EMPTY,
            area_len: 0,
            frame: None,
            place: Place::Area,
            got: 0,
            want: Want::Nothing,
            eof: false,
            window: List::EMPTY,
            requests: Pending::default(),
            pins: PinList::default(),
            keepalives: Keepalives::new(0),
            backpressure_due: false,
            hello: false,
            hellos_pending: 0,
            by_topic: false,
            sending: Sending::Nothing,
            send_from: std::ptr::null(),
            send_len: 0,
            send_ns: 0,
            big_next: false,
            cancels: 0,
            accepted_ns: 0,
            last_ns: 0,
            began_ns: 0,
            spoke: false,
        }
    }

    pub fn open(socket: RawFd, now_ns: u64) -> Self {
        Self {
            socket,
            state: State::Open,
            keepalives: Keepalives::new(now_ns),
            accepted_ns: now_ns,
            last_ns: now_ns,
            ..Self::free()
        }
    }

    /// The checksum that the peer speaks; before its first frame nothing is sent.
    pub fn checksum_kind(&self) -> ChecksumKind {
        self.kind.unwrap_or(ChecksumKind::Crc32c)
    }
    /// Frames are still taken from it.
    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }
    /// Something is still to be sent or awaited for its peer.
    pub fn owes(&self) -> bool {
        !self.window.is_empty()
            || self.requests.owes()
            || !matches!(self.sending, Sending::Nothing)
            || self.keepalives.due() > 0
    }
    /// Operations that refer to its memory.
    pub fn is_busy(&self) -> bool {
        self.receiving != Receiving::Not
            || !matches!(self.sending, Sending::Nothing)
            || self.cancels > 0
    }
    /// Bytes of a frame that is not complete.
    pub fn has_partial(&self) -> bool {
        self.area_len > 0 || self.place != Place::Area || !self.held.is_empty()
    }
}

/// The guaranteed memory of all connections; pages are touched on first use.
pub struct Areas {
    at: NonNull<u8>,
    connections: usize,
}

// SAFETY: one agent owns it; the kernel writes and reads only areas with an operation under way.
unsafe impl Send for Areas {}

impl Areas {
    pub fn new(connections: usize) -> Self {
        let memory = vec![0u8; connections * (IN_AREA + OUT_AREA)].into_boxed_slice();
        let at = NonNull::new(Box::into_raw(memory).cast::<u8>()).expect("a box is never null");
        Self { at, connections }
    }
    /// Where bytes of a connection come in.
    pub fn input(&self, connection: u32) -> *mut u8 {
        assert!((connection as usize) < self.connections);
        // SAFETY: inside the allocation, see the assertion.
        unsafe {
            self.at
                .as_ptr()
                .add(connection as usize * (IN_AREA + OUT_AREA))
        }
    }
    /// Where bytes of a connection go out.
    pub fn output(&self, connection: u32) -> *mut u8 {
        // SAFETY: an area is IN_AREA + OUT_AREA long.
        unsafe { self.input(connection).add(IN_AREA) }
    }
}

impl Drop for Areas {
    fn drop(&mut self) {
        let len = self.connections * (IN_AREA + OUT_AREA);
        let slice = std::ptr::slice_from_raw_parts_mut(self.at.as_ptr(), len);
        // SAFETY: made by `Box::into_raw` from a box of exactly this length.
        drop(unsafe { Box::from_raw(slice) });
    }
}
