//! Loads a running node and measures it: one scenario a run, one line of JSON as its result (bench/README.md).

mod arguments;
mod closed;
mod error;
mod idle;
mod open;
mod round_trip;
mod samples;
mod stream;
mod topics;
mod wait;
mod wire;

use arguments::{Arguments, HELP};
use error::LoadError;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let scenario = words.next().unwrap_or_default();
    if matches!(scenario.as_str(), "--help" | "-h" | "help") {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let result = Arguments::parse(words).and_then(|arguments| match scenario.as_str() {
        "ingest" => closed::run(arguments),
        "latency" => open::run(arguments),
        "idle" => idle::run(arguments),
        "round-trip" => round_trip::run(arguments),
        other => Err(LoadError::Usage(format!("`{other}` is no scenario"))),
    });
    match result {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("lance-load: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
