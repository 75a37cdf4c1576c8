//! LWP 1.0, the wire protocol, as bytes: frames, records, commands, errors (lwp.md). No I/O and no state here.

pub mod control;
pub mod error;
#[cfg(test)]
mod golden;
pub mod header;
pub mod inflate;
pub mod tlv;
