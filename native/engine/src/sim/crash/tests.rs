use super::endure::{endure, Endured};
use super::lives::LAST_POINT;
use super::run::{run, Crashes, Mutation, Report, Settings, Violation};
use crate::sim::{Barrier, DirKind, FileKind};

/// Steps of a workload, and of a hundred points how many are crashed at.
const STEPS: u32 = 30;
const CRASHES: Crashes = Crashes::Percent(6);

/// Workloads of the quick tests.
const WORKLOADS: std::ops::Range<u64> = 4..20;

pub(super) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn of(seed: u64, crashes: Crashes, mutation: Mutation) -> Settings {
    Settings {
        seed,
        steps: STEPS,
        crashes,
        mutation,
        faults: false,
    }
}

/// A panic inside the engine is a broken promise too.
fn outcome(settings: Settings) -> Result<Report, Violation> {
    match std::panic::catch_unwind(|| run(settings)) {
        Ok(outcome) => outcome,
        Err(_) => Err(Violation {
            seed: settings.seed,
            point: LAST_POINT.get(),
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

/// `LANCE_CRASH_WORKLOADS=200 [LANCE_CRASH_SEED=0] [LANCE_CRASH_PERCENT=100] cargo test --release -- --ignored all_workloads`;
/// `LANCE_CRASH_WORKLOADS=1 LANCE_CRASH_SEED=11 LANCE_CRASH_POINT=245` sees one point again.
#[test]
#[ignore = "takes as long as one lets it: set LANCE_CRASH_WORKLOADS"]
fn all_workloads_keep_their_promises_at_all_ios() {
    let first = number("LANCE_CRASH_SEED").unwrap_or(0);
    let percent = number("LANCE_CRASH_PERCENT").unwrap_or(100).min(100) as u8;
    let crashes = number("LANCE_CRASH_POINT").map_or(Crashes::Percent(percent), Crashes::At);
    let workloads = number("LANCE_CRASH_WORKLOADS").unwrap_or(10);
    let (mut broken, mut all) = (0, Report::default());
    for seed in first..first + workloads {
        match outcome(of(seed, crashes, Mutation::Nothing)) {
            Ok(report) => {
                all.ios += report.ios;
                all.points += report.points;
                all.frames += report.frames;
                all.acks += report.acks;
                all.add_lives(&report);
            }
            Err(violation) => {
                println!("{violation}");
                broken += 1;
            }
        }
    }
    println!(
        "{workloads} workloads from seed {first} on: {} I/Os, {} points, {} crashes ({crashes:?}), {} recoveries, {} frames, {} acks, {broken} broke a promise",
        all.ios, all.points, all.crashes, all.recoveries, all.frames, all.acks
    );
    assert_eq!(broken, 0, "workloads that broke a promise");
}

/// A point that once broke a promise.
fn keeps_its_promises(seed: u64, point: u64) {
    let report = outcome(of(seed, Crashes::At(point), Mutation::Nothing));
    let report = report.unwrap_or_else(|violation| panic!("{violation}"));
    assert!(report.points >= point, "the workload has that point");
}

#[test]
fn retention_keeps_the_last_durable_batch_of_a_topic_whose_newer_ones_are_only_written() {
    keeps_its_promises(76, 363);
    keeps_its_promises(125, 256);
}

fn endured(seeds: std::ops::Range<u64>) -> (Endured, u32) {
    let (mut all, mut broken) = (Endured::default(), 0);
    for seed in seeds {
        let settings = Settings {
            faults: true,
            ..of(seed, Crashes::Percent(0), Mutation::Nothing)
        };
        match std::panic::catch_unwind(|| endure(settings)) {
            Ok(Ok(endured)) => all += endured,
            Ok(Err(violation)) => {
                println!("{violation}");
                broken += 1;
            }
            Err(_) => {
                println!("seed {seed}: a panic, see above");
                broken += 1;
            }
        }
    }
    (all, broken)
}

#[test]
fn whatever_io_fails_what_was_acknowledged_is_served_and_kept_and_other_topics_go_on() {
    let (all, broken) = endured(0..25);
    assert_eq!(broken, 0, "workloads that broke a promise");
    assert!(
        all.frozen > 5 && all.journals_failed > 2 && all.went_on > 50,
        "{all:?}"
    );
    assert!(all.read > 1 << 20 && all.read_frozen > 1 << 16, "{all:?}");
}

/// `LANCE_FAULT_WORKLOADS=2000 [LANCE_CRASH_SEED=0] cargo test --release -- --ignored all_faults --nocapture`
#[test]
#[ignore = "takes as long as one lets it: set LANCE_FAULT_WORKLOADS"]
fn all_faults_leave_what_was_acknowledged() {
    let first = number("LANCE_CRASH_SEED").unwrap_or(0);
    let workloads = number("LANCE_FAULT_WORKLOADS").unwrap_or(100);
    let (all, broken) = endured(first..first + workloads);
    println!(
        "{workloads} workloads with faults from seed {first} on: {all:?}, {broken} broke a promise"
    );
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
fn names_that_one_call_for_all_does_not_make_durable_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::AllNames));
}

#[test]
fn bytes_that_one_call_for_all_does_not_make_durable_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::AllFiles));
}

#[test]
fn topics_without_durable_names_are_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Names(DirKind::Segments)));
}

#[test]
fn metadata_that_is_not_flushed_is_noticed() {
    is_noticed(Mutation::Suppress(Barrier::Flush(FileKind::Metadata)));
}
