//! `lance-count NAME TIMES`: sets an operation up and runs it so often, for a tool that counts instructions around it. Without
//! arguments it lists the names.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(name) = words.next() else {
        for (name, _) in lance_micro::ALL {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let times: u64 = match words.next().map(|word| word.parse()) {
        Some(Ok(times)) => times,
        _ => {
            eprintln!("lance-count NAME TIMES");
            return ExitCode::from(2);
        }
    };
    let Some(mut operation) = lance_micro::operation(&name) else {
        eprintln!("`{name}` is no operation; without arguments they are listed");
        return ExitCode::from(2);
    };
    let sum = (0..times).fold(0_u64, |sum, _| sum.wrapping_add(operation.run()));
    println!("{sum}");
    ExitCode::SUCCESS
}
