//! `cargo bench --manifest-path native/Cargo.toml -p lance-micro`: what each operation takes on this machine.

use criterion::{criterion_group, criterion_main, Criterion};
use lance_engine::queue::queue;
use lance_micro::ALL;
use std::hint::{black_box, spin_loop};
use std::thread;
use std::time::Instant;

fn operations(criterion: &mut Criterion) {
    for (name, set_up) in ALL {
        let mut operation = set_up();
        criterion.bench_function(name, |bencher| bencher.iter(|| operation.run()));
    }
}

/// A number through a ring to another thread: what a hand-off costs where agents have a core each. Both ends spin.
fn across_threads(criterion: &mut Criterion) {
    criterion.bench_function("hand a number over to another core", |bencher| {
        bencher.iter_custom(|times| {
            let (mut sender, mut receiver) = queue::<u64>(1_024);
            let taker = thread::spawn(move || {
                let mut left = times;
                while left > 0 {
                    match receiver.pop() {
                        Some(number) => {
                            black_box(number);
                            left -= 1;
                        }
                        None => spin_loop(),
                    }
                }
            });
            let began = Instant::now();
            for number in 0..times {
                while sender.push(number).is_err() {
                    spin_loop();
                }
            }
            taker.join().expect("it takes all");
            began.elapsed()
        });
    });
}

criterion_group!(benches, operations, across_threads);
criterion_main!(benches);
