//! LWP 1.0, the wire protocol, as bytes: frames, records, commands, errors (lwp.md). No I/O and no state here.

pub mod inflate;
pub mod tlv;
