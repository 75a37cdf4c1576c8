//! Directories: the names a reader sees, and those a power cut would leave.
//!
//! As ext4 and xfs allow, and a little worse: of a directory's unflushed changes a crash keeps the first few, whatever
//! becomes of another directory's; a flush covers all of its directory before it, and a rename is never half done.

use std::collections::{BTreeMap, VecDeque};

use super::rng::Rng;

/// A file or directory, by number.
pub type Ino = u64;
/// The data directory.
pub const ROOT: Ino = 0;

/// A name in a directory.
pub type Place = (Ino, String);

/// A change of names.
#[derive(Clone, Debug)]
pub enum NameChange {
    /// Create and make_dir.
    Link { at: Place, ino: Ino },
    /// Unlink and remove_dir.
    Unlink { at: Place, ino: Ino },
    /// Atomic; durable once the directory of `to` is flushed.
    Rename { from: Place, to: Place, ino: Ino },
}

impl NameChange {
    fn touches(&self, dir: Ino) -> bool {
        match self {
            Self::Link { at, .. } | Self::Unlink { at, .. } => at.0 == dir,
            Self::Rename { from, to, .. } => to.0 == dir || from.0 == dir,
        }
    }
    fn dirs(&self) -> (Ino, Ino) {
        match self {
            Self::Link { at, .. } | Self::Unlink { at, .. } => (at.0, at.0),
            Self::Rename { from, to, .. } => (from.0, to.0),
        }
    }
    fn is_covered_by(&self, dir: Ino) -> bool {
        match self {
            Self::Link { at, .. } | Self::Unlink { at, .. } => at.0 == dir,
            Self::Rename { to, .. } => to.0 == dir,
        }
    }
}

#[derive(Clone)]
struct Logged {
    change: NameChange,
    durable: bool,
}

type Tree = BTreeMap<Place, Ino>;

/// All names of a disk.
#[derive(Clone, Default)]
pub struct Names {
    live: Tree,
    durable: Tree,
    log: VecDeque<Logged>,
}

impl Names {
    /// What stands under a name now.
    pub fn get(&self, dir: Ino, name: &str) -> Option<Ino> {
        self.live.get(&(dir, name.to_owned())).copied()
    }
    /// The names in a directory now, sorted.
    pub fn list(&self, dir: Ino) -> impl Iterator<Item = (&str, Ino)> {
        self.live
            .range((dir, String::new())..(dir + 1, String::new()))
            .map(|((_, name), ino)| (name.as_str(), *ino))
    }
    /// A name of this file now, and its directory.
    pub fn place_of(&self, ino: Ino) -> Option<&Place> {
        self.live
            .iter()
            .find(|(_, of)| **of == ino)
            .map(|(place, _)| place)
    }
    /// Takes a completed change.
    pub fn apply(&mut self, change: NameChange) {
        perform(&mut self.live, &change);
        self.log.push_back(Logged {
            change,
            durable: false,
        });
    }
    /// A directory was flushed.
    pub fn flushed(&mut self, dir: Ino) {
        self.log
            .iter_mut()
            .filter(|logged| logged.change.is_covered_by(dir))
            .for_each(|logged| logged.durable = true);
        while self.log.front().is_some_and(|logged| logged.durable) {
            if let Some(logged) = self.log.pop_front() {
                perform(&mut self.durable, &logged.change);
            }
        }
    }
    /// All directories were.
    pub fn all_flushed(&mut self) {
        while let Some(logged) = self.log.pop_front() {
            perform(&mut self.durable, &logged.change);
        }
    }
    /// What a crash leaves; `in_flight` are changes that had not completed.
    pub fn after_crash<'a>(
        &'a self,
        in_flight: impl Iterator<Item = &'a NameChange>,
        percent: u8,
        rng: &mut Rng,
    ) -> Self {
        let mut left = self.durable.clone();
        let mut lost: Vec<&NameChange> = Vec::new();
        for logged in &self.log {
            let (a, b) = logged.change.dirs();
            let in_order = !lost.iter().any(|lost| lost.touches(a) || lost.touches(b));
            if logged.durable {
                make_way(&mut left, &mut lost, &logged.change);
                perform(&mut left, &logged.change);
            } else if in_order && possible(&left, &logged.change) && rng.percent(percent) {
                perform(&mut left, &logged.change);
            } else {
                lost.push(&logged.change);
            }
        }
        for change in in_flight {
            let (a, b) = change.dirs();
            let in_order = !lost.iter().any(|lost| lost.touches(a) || lost.touches(b));
            if in_order && possible(&left, change) && rng.percent(percent) {
                perform(&mut left, change);
            }
        }
        Self {
            live: left.clone(),
            durable: left,
            log: VecDeque::new(),
        }
    }
}

/// Whether a change that is in flight can happen now.
pub fn is_possible(names: &Names, change: &NameChange) -> bool {
    possible(&names.live, change)
}

/// A durable change takes a name that a lost rename would have freed: then that rename is not lost, or its file would
/// have no name at all.
fn make_way(left: &mut Tree, lost: &mut Vec<&NameChange>, change: &NameChange) {
    let (place, ino) = match change {
        NameChange::Link { at, ino } => (at, ino),
        NameChange::Rename { to, ino, .. } => (to, ino),
        NameChange::Unlink { .. } => return,
    };
    let Some(there) = left.get(place).copied().filter(|there| there != ino) else {
        return;
    };
    let blocking = lost
        .iter()
        .position(|lost| matches!(lost, NameChange::Rename { from, ino, .. } if from == place && *ino == there));
    if let Some(blocking) = blocking {
        perform(left, lost.remove(blocking));
    }
}

/// Whether a change can stand on what is left without those lost before it.
fn possible(left: &Tree, change: &NameChange) -> bool {
    match change {
        NameChange::Link { at, .. } => !left.contains_key(at),
        NameChange::Unlink { at, ino } => left.get(at) == Some(ino),
        NameChange::Rename { from, ino, .. } => left.get(from) == Some(ino),
    }
}

fn perform(tree: &mut Tree, change: &NameChange) {
    match change {
        NameChange::Link { at, ino } => {
            tree.insert(at.clone(), *ino);
        }
        NameChange::Unlink { at, ino } => {
            if tree.get(at) == Some(ino) {
                tree.remove(at);
            }
        }
        NameChange::Rename { from, to, ino } => {
            if tree.get(from) == Some(ino) {
                tree.remove(from);
            }
            tree.insert(to.clone(), *ino);
        }
    }
}
