//! Failures by plan: the n-th I/O of a kind goes wrong.

use super::labels::FileKind;

/// What is done to a file or a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IoKind {
    Read,
    Write,
    Flush,
    FlushDir,
    SyncNames,
    FlushAll,
    Create,
    Rename,
    Unlink,
    Truncate,
    Allocate,
    MakeDir,
    RemoveDir,
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// EIO. Of a write some sectors may have changed; a flush drops some of what it should have covered.
    Eio,
    /// The same, but of a write of whole blocks some sectors hold neither the old bytes nor the new ones afterwards.
    Garbled,
    /// A ring write does less than it was asked to, in whole sectors. Other I/O is not affected.
    Short,
}

struct Planned {
    kind: IoKind,
    of: Option<FileKind>,
    countdown: u64,
    fault: Fault,
}

/// The plan. Empty: nothing fails.
#[derive(Default)]
pub struct FaultPlan(Vec<Planned>);

impl FaultPlan {
    /// Lets the `nth` (from 0) I/O of `kind` from now on, on files of kind `of` if given, go wrong once.
    pub fn add(&mut self, kind: IoKind, of: Option<FileKind>, nth: u64, fault: Fault) {
        self.0.push(Planned {
            kind,
            of,
            countdown: nth,
            fault,
        });
    }
    /// Counts an I/O; what is to happen to it.
    pub fn meet(&mut self, kind: IoKind, file: FileKind) -> Option<Fault> {
        let mut met = None;
        self.0.retain_mut(|planned| {
            if planned.kind != kind || planned.of.is_some_and(|of| of != file) {
                return true;
            }
            if planned.countdown > 0 {
                planned.countdown -= 1;
                return true;
            }
            met = met.or(Some(planned.fault));
            false
        });
        met
    }
}
