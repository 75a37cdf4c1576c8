//! A file that grows as a log does: blocks are reserved a step ahead, by a thread of its own, and written for the first time.

use crate::error::LoadError;
use crate::plant::reserve;
use lance_engine::storage::Handle;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{channel, Sender};
use std::sync::{Arc, Mutex, PoisonError};

/// Blocks are reserved in steps of this, as the engine's keeper does for a busy segment.
const STEP: u64 = 64 << 20;

/// How far the file reaches. The thread that reserves ends with it.
pub struct Growth {
    reserved: Arc<AtomicU64>,
    failed: Arc<Mutex<Option<LoadError>>>,
    asked: u64,
    most: u64,
    ask: Sender<u64>,
}

impl Growth {
    /// Reserves the first step of an empty file, and starts the thread for the others, up to `most` bytes.
    ///
    /// # Errors
    /// No room on the disk.
    pub fn of(dir: PathBuf, file: Handle, most: u64) -> Result<Self, LoadError> {
        let first = STEP.min(most);
        reserve(&dir, file, first)?;
        let reserved = Arc::new(AtomicU64::new(first));
        let failed = Arc::new(Mutex::new(None));
        let (ask, asked) = channel::<u64>();
        let (reaches, says) = (Arc::clone(&reserved), Arc::clone(&failed));
        std::thread::spawn(move || {
            for to in asked {
                match reserve(&dir, file, to) {
                    Ok(()) => reaches.store(to, Ordering::Release),
                    Err(error) => {
                        *says.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        return;
                    }
                }
            }
        });
        Ok(Self {
            reserved,
            failed,
            asked: first,
            most,
            ask,
        })
    }

    /// Whether the file reaches to `end`; has it grow in time.
    pub fn reaches(&mut self, end: u64) -> bool {
        let end = end.min(self.most);
        if end + STEP > self.asked && self.asked < self.most {
            self.asked = (self.asked + STEP).min(self.most);
            // A thread that is gone has failed, and said so.
            let _ = self.ask.send(self.asked);
        }
        end <= self.reserved.load(Ordering::Acquire)
    }

    /// What went wrong, if something did.
    pub fn failure(&self) -> Option<LoadError> {
        self.failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

#[cfg(test)]
mod tests {
    use super::Growth;
    use crate::plant::open_growing;

    #[test]
    fn a_growing_file_reaches_as_far_as_it_is_asked_to_and_no_farther_than_it_may() {
        let dir = std::env::temp_dir().join(format!("lance-growth-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = open_growing(&dir).unwrap();
        let most = 100 << 20;
        let mut growth = Growth::of(dir.clone(), file, most).unwrap();
        assert!(growth.reaches(1), "the first step is there from the start");
        for end in [80 << 20, most, most + 1] {
            while !growth.reaches(end) {
                std::thread::yield_now();
            }
        }
        assert!(growth.failure().is_none());
        assert_eq!(growth.asked, most);
        assert_eq!(
            std::fs::read_dir(&dir).unwrap().count(),
            0,
            "its room is free again when it is closed"
        );
        std::fs::remove_dir(&dir).unwrap();
    }
}
