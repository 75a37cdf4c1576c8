//! The native half of `lance bench`: load generators that are never what is measured, and the machine's own floors. One scenario
//! a run, one line of JSON as its result. A library, so that the addon carries it into every installation; `lance-load` is the
//! same as a program of its own (bench/README.md).

mod arguments;
mod blocks;
mod catch_up;
mod disk;
mod error;
mod events;
mod fetch;
mod growth;
mod idle;
mod latencies;
mod network;
mod plant;
mod produce;
mod read;
mod receive;
mod schedule;
mod stream;
mod tail;
mod tally;
mod topics;
mod wait;
mod wire;

use arguments::{Arguments, HELP};
use error::LoadError;
use events::Events;
use serde_json::{json, Value};

/// Runs the scenario that the words name, prints its result or what went wrong, and returns an exit code: 2 for wrong usage, 1 for
/// everything else that fails.
#[must_use]
pub fn run(words: impl IntoIterator<Item = String>) -> u8 {
    let mut words = words.into_iter();
    let scenario = words.next().unwrap_or_default();
    if matches!(scenario.as_str(), "--help" | "-h" | "help") {
        println!("{HELP}");
        return 0;
    }
    let mut told = Events::new(false);
    let result = Arguments::parse(words).and_then(|mut arguments| {
        let events = arguments.number("events", 0_u8, 0, 1)? == 1;
        if events {
            told = Events::new(true);
        }
        play(&scenario, arguments, &told)
    });
    match result {
        Ok(report) => {
            events::print_result(report);
            0
        }
        Err(error) => {
            told.tell(
                "error",
                json!({ "message": error.to_string(), "kind": error.kind() }),
            );
            eprintln!("lance-load: {error}");
            error.exit_code()
        }
    }
}

fn play(scenario: &str, arguments: Arguments, events: &Events) -> Result<Value, LoadError> {
    match scenario {
        "ingest" => produce::run(produce::Plan::parse(arguments, &produce::INGEST)?, events),
        "latency" => produce::run(produce::Plan::parse(arguments, &produce::LATENCY)?, events),
        "catch-up" => catch_up::run(arguments, events),
        "tail" => tail::run(arguments, events),
        "idle" => idle::run(arguments),
        "disk" => disk::run(arguments, events),
        "network" => network::run(arguments, events),
        "receive" => receive::run(arguments, events),
        "read" => read::run(arguments, events),
        "sink" => read::sink(arguments, events),
        other => Err(LoadError::Usage(format!("`{other}` is no scenario"))),
    }
}
