//! Everything about a disk that decides what a power cut leaves.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::file::{Change, File};
use super::names::{is_possible, Ino, NameChange, Names, ROOT};
use super::rng::Rng;

/// How kind a crash is. Percentages are of what was not flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survival {
    /// Of each change of a file's contents; of each sector of one in flight.
    pub data: u8,
    /// Of each change of names.
    pub names: u8,
    /// Completed writes survive page by page instead of whole.
    pub scatter: bool,
    /// Of the sectors that a write of whole blocks loses: those that hold neither the old bytes nor the new ones, since the
    /// power went while the device wrote them.
    pub garbled: u8,
}

impl Survival {
    /// Nothing but what was flushed: the strictest for what was acknowledged.
    pub const NOTHING: Self = Self {
        data: 0,
        names: 0,
        scatter: false,
        garbled: 0,
    };
    /// Everything, as after a SIGKILL.
    pub const EVERYTHING: Self = Self {
        data: 100,
        names: 100,
        scatter: false,
        garbled: 0,
    };
    /// One of many mixtures, the extremes among them.
    pub fn random(rng: &mut Rng) -> Self {
        let percentages = [0, 10, 50, 50, 90, 100];
        let data = *rng.pick(&percentages);
        Self {
            data,
            names: *rng.pick(&percentages),
            scatter: rng.percent(50),
            garbled: if [0, 10, 90].contains(&data) { 30 } else { 0 },
        }
    }
}

/// A file or a directory.
#[derive(Clone)]
pub enum Node {
    File(Arc<File>),
    Dir,
}

/// An I/O that was begun and has not completed.
#[derive(Clone)]
pub enum InFlight {
    Contents { ino: Ino, change: Change },
    Names(NameChange),
}

/// Contents, names, and what is in flight. A clone is cheap and independent.
#[derive(Clone)]
pub struct Medium {
    pub nodes: BTreeMap<Ino, Node>,
    pub names: Names,
    pub in_flight: BTreeMap<u64, InFlight>,
    pub next_ino: Ino,
}

impl Default for Medium {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Dir)]),
            names: Names::default(),
            in_flight: BTreeMap::new(),
            next_ino: ROOT + 1,
        }
    }
}

impl Medium {
    /// The file of this number.
    pub fn file(&self, ino: Ino) -> Option<&File> {
        match self.nodes.get(&ino) {
            Some(Node::File(file)) => Some(file),
            _ => None,
        }
    }
    /// The same, to change.
    pub fn file_mut(&mut self, ino: Ino) -> Option<&mut File> {
        match self.nodes.get_mut(&ino) {
            Some(Node::File(file)) => Some(Arc::make_mut(file)),
            _ => None,
        }
    }
    /// Where a path leads.
    pub fn find(&self, path: &str) -> Option<Ino> {
        path.split('/')
            .filter(|name| !name.is_empty())
            .try_fold(ROOT, |dir, name| self.names.get(dir, name))
    }
    /// The path of a file or directory now, if it still has a name.
    pub fn path_of(&self, ino: Ino) -> Option<String> {
        let mut names = Vec::new();
        let mut at = ino;
        while at != ROOT {
            let (dir, name) = self.names.place_of(at)?;
            names.push(name.as_str());
            at = *dir;
        }
        names.reverse();
        Some(names.join("/"))
    }
    /// All names and all files' lengths are durable. Their bytes need not be: what the device holds of them in its cache
    /// is flushed with a file of theirs only.
    pub fn sync_names(&mut self) {
        self.names.all_flushed();
        for node in self.nodes.values_mut() {
            if let Node::File(file) = node {
                Arc::make_mut(file).length_flushed();
            }
        }
    }
    /// The changes of each file completed so far: what a flush of all of them submitted now will cover.
    pub fn completed(&self) -> Vec<(Ino, u64)> {
        let files = self.nodes.iter().filter_map(|(ino, node)| match node {
            Node::File(file) => Some((*ino, file.completed())),
            Node::Dir => None,
        });
        files.collect()
    }
    /// What is left after the power went and came back.
    pub fn after_crash(&self, survival: &Survival, rng: &mut Rng) -> Self {
        let changes = self.in_flight.values().filter_map(|op| match op {
            InFlight::Names(change) => Some(change),
            InFlight::Contents { .. } => None,
        });
        let names = self.names.after_crash(changes, survival.names, rng);
        let mut left = Self {
            names,
            next_ino: self.next_ino,
            ..Self::default()
        };
        let mut dirs = vec![ROOT];
        while let Some(dir) = dirs.pop() {
            let found: Vec<Ino> = left.names.list(dir).map(|(_, ino)| ino).collect();
            for ino in found {
                match self.nodes.get(&ino) {
                    Some(Node::File(file)) => {
                        let in_flight: Vec<&Change> = self.changes_of(ino).collect();
                        let file = file.after_crash(&in_flight, survival, rng);
                        left.nodes.insert(ino, Node::File(Arc::new(file)));
                    }
                    Some(Node::Dir) => {
                        left.nodes.insert(ino, Node::Dir);
                        dirs.push(ino);
                    }
                    None => unreachable!("a name is only given to a file that exists"),
                }
            }
        }
        left
    }
    /// What is left after the process was killed and the machine went on: nothing that completed is lost, nothing is
    /// more durable than before, and what was in flight happened or not.
    pub fn after_kill(&self, rng: &mut Rng) -> Self {
        let mut left = self.clone();
        for op in std::mem::take(&mut left.in_flight).into_values() {
            match op {
                InFlight::Names(change) => {
                    if is_possible(&left.names, &change) && rng.percent(50) {
                        left.names.apply(change);
                    }
                }
                InFlight::Contents { ino, change } => {
                    if let Some(file) = left.file_mut(ino) {
                        file.after_kill(&change, rng);
                    }
                }
            }
        }
        left
    }

    fn changes_of(&self, ino: Ino) -> impl Iterator<Item = &Change> {
        self.in_flight.values().filter_map(move |op| match op {
            InFlight::Contents { ino: of, change } if *of == ino => Some(change),
            _ => None,
        })
    }
}
