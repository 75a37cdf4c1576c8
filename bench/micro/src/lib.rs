//! What the data plane does again and again, one operation at a time, ready to be timed (`benches/`) or to have its instructions
//! counted (`lance-count`, driven by guard.mjs). Each is set up once and then run as often as asked.

mod frames;
mod handoff;
mod lookup;

/// An operation that is ready to run.
pub trait Operation {
    /// Runs it once. The value depends on all of the work, so that none of it can be left out.
    fn run(&mut self) -> u64;
}

/// A name and how its operation is set up.
pub type Entry = (&'static str, fn() -> Box<dyn Operation>);

/// Every operation, by the name that the baseline knows it under.
pub const ALL: &[Entry] = &[
    ("decode a frame's header", || Box::new(frames::Head::new())),
    ("walk 64 records", || Box::new(frames::Walk::new(64, 1_024))),
    ("parse a frame of one 300 B record", || {
        Box::new(frames::Parse::new(1, 300))
    }),
    ("parse a frame of 64 records of 1 KiB", || {
        Box::new(frames::Parse::new(64, 1_024))
    }),
    ("checksum and copy 305 B", || {
        Box::new(frames::Copy::new(305))
    }),
    ("checksum and copy 64 KiB", || {
        Box::new(frames::Copy::new(65_536))
    }),
    ("combine the checksums of two frames", || {
        Box::new(frames::Combine::new())
    }),
    (
        "write a batch header",
        || Box::new(frames::BatchHead::new()),
    ),
    ("find a topic among 5,000", || {
        Box::new(lookup::Topics::new(5_000))
    }),
    ("locate a record in an index of 4,096 entries", || {
        Box::new(lookup::Index::new(4_096))
    }),
    ("hand 64 frames over and take them", || {
        Box::new(handoff::Ring::new(64))
    }),
    ("record a time in a histogram", || {
        Box::new(handoff::Times::new())
    }),
];

/// Sets up the operation of this name.
#[must_use]
pub fn operation(name: &str) -> Option<Box<dyn Operation>> {
    ALL.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, set_up)| set_up())
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn every_operation_does_its_work_and_does_it_again() {
        for (name, set_up) in ALL {
            let mut operation = set_up();
            assert_ne!(operation.run(), 0, "{name}");
            assert_ne!(operation.run(), 0, "{name}, again");
        }
    }
}
