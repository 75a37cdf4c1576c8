//! The network agent driven by hand, with a ring, an ingest agent, an io agent and a control plane that the test plays.

mod acks;
mod bad_input;
mod closing;
mod control;
mod deadlines;
mod disorder;
mod fake_ring;
mod fetches;
mod pressure;
mod receiving;
mod sockets;
mod world;
