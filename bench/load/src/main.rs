//! `lance-load`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(lance_load::run(std::env::args().skip(1)))
}
