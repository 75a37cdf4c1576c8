use super::run::{run, Mutation, Settings, Violation};
use crate::sim::{Barrier, DirKind, FileKind};

/// Steps of a workload, and of a hundred I/Os how many are crashed at.
const STEPS: u32 = 30;
const CRASHES: u8 = 6;

/// Workloads of the quick tests.
const WORKLOADS: std::ops::Range<u64> = 4..20;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn of(seed: u64, crashes: u8, mutation: Mutation) -> Settings {
    Settings {
        seed,
        steps: STEPS,
        crashes,
        mutation,
    }
}

/// A panic inside the engine is a broken promise too.
fn outcome(settings: Settings) -> Result<(), Violation> {
    match std::panic::catch_unwind(|| run(settings)) {
        Ok(outcome) => outcome.map(|_| ()),
        Err(_) => Err(Violation {
            seed: settings.seed,
            io: 0,
            what: "a panic, see above".into(),
        }),
    }
}

#[test]
fn whatever_io_the_power_goes_at_what_was_promised_is_there() {
    for seed in WORKLOADS {
        if let Err(violation) = outcome(of(seed, CRASHES, Mutation::Nothing)) {
            panic!("{violation}");
        }
    }
}

/// `LANCE_CRASH_WORKLOADS=200 [LANCE_CRASH_SEED=0] [LANCE_CRASH_PERCENT=100] cargo test --release -- --ignored all_workloads`
#[test]
#[ignore = "takes as long as one lets it: set LANCE_CRASH_WORKLOADS"]
fn all_workloads_keep_their_promises_at_all_ios() {
    let first = number("LANCE_CRASH_SEED").unwrap_or(0);
    let crashes = number("LANCE_CRASH_PERCENT").unwrap_or(100).min(100) as u8;
    let mut broken = 0;
    for seed in first..first + number("LANCE_CRASH_WORKLOADS").unwrap_or(10) {
        if let Err(violation) = outcome(of(seed, crashes, Mutation::Nothing)) {
            println!("{violation}");
            broken += 1;
        }
    }
    assert_eq!(broken, 0, "workloads that broke a promise");
}

fn is_noticed(mutation: Mutation) {
    let noticed = WORKLOADS
        .into_iter()
        .find_map(|seed| outcome(of(seed, CRASHES, mutation)).err());
    let violation = noticed.unwrap_or_else(|| panic!("{mutation:?} goes unnoticed"));
    println!("{mutation:?}: {violation}");
}

#[test]
fn acknowledging_before_it_is_durable_is_noticed() {
    is_noticed(Mutation::Early);
}

#[test]
fn a_journal_that_is_not_flushed_is_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Flush(FileKind::Journal)));
}

#[test]
fn journal_writes_that_are_not_synchronous_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::SyncWrite(FileKind::Journal)));
}

#[test]
fn segments_that_are_not_flushed_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Flush(FileKind::Segment)));
}

#[test]
fn indexes_that_are_not_flushed_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Flush(FileKind::Index)));
}

#[test]
fn committed_offsets_that_are_not_flushed_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Flush(FileKind::Consumers)));
}

#[test]
fn a_checkpoint_of_committed_offsets_without_a_durable_name_is_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Names(DirKind::Consumers)));
}

#[test]
fn journal_chunks_without_durable_names_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Names(DirKind::Journal)));
}

#[test]
fn segments_without_durable_names_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Names(DirKind::Topic)));
}

#[test]
fn topics_without_durable_names_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Names(DirKind::Segments)));
}

#[test]
fn metadata_that_is_not_flushed_is_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Flush(FileKind::Metadata)));
}
