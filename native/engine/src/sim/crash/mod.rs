//! The crash property: whatever I/O the power goes at, what a node promised is there afterwards.
//!
//! A whole node without sockets runs random workloads on the simulated disk. The image of every I/O is crashed,
//! recovered and compared with the promises of that moment; some are gone on with, killed instead, or crashed again
//! while they recover.

mod answers;
mod endure;
mod frames;
mod frozen;
mod lives;
mod model;
mod node;
mod pressed;
mod reads;
mod rested;
mod rot;
mod run;
#[cfg(test)]
mod tests;
mod verify;
mod written_over;
