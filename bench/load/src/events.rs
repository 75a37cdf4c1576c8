//! What a run tells while it goes on, one line of JSON each on stdout, and how it is told to end early.

use serde_json::{json, Value};
use std::io::{BufRead, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

/// Tells events to who started the program; says nothing to a person, who wants the result alone.
#[derive(Clone, Debug)]
pub struct Events {
    wanted: bool,
    stop: Arc<AtomicBool>,
}

impl Events {
    /// With `wanted`, events are printed, and a line or the end of stdin ends the run early.
    #[must_use]
    pub fn new(wanted: bool) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        if wanted {
            let stop = stop.clone();
            // Not joined: it ends with the process.
            std::thread::spawn(move || {
                let mut line = String::new();
                // An error is an end, too: who asked for events is gone.
                let _ = std::io::stdin().lock().read_line(&mut line);
                stop.store(true, Ordering::Release);
            });
        }
        Self { wanted, stop }
    }

    /// Whether the run is to end now, with what it has.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Tells that something happened: `{"event": name, ...more}`.
    pub fn tell(&self, name: &str, more: Value) {
        if self.wanted {
            print_line(&with_event(name, more));
        }
    }
}

/// The last line of a run.
pub fn print_result(report: Value) {
    print_line(&with_event("result", report));
}

fn with_event(name: &str, more: Value) -> Value {
    let mut event = json!({ "event": name });
    if let (Some(all), Value::Object(more)) = (event.as_object_mut(), more) {
        all.extend(more);
    }
    event
}

fn print_line(value: &Value) {
    let mut out = std::io::stdout().lock();
    // A reader that is gone has ended stdin as well, which stops the run.
    let _ = writeln!(out, "{value}").and_then(|()| out.flush());
}
