//! What a file or directory is for, by its path (formats.md, "Files"), so that one class of flush can be singled out.

/// Kinds of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileKind {
    /// `journal/*.lnj`
    Journal,
    /// `segments/*/*.lnc`
    Segment,
    /// `segments/*/*.idx` and `*.pos`
    Index,
    /// `spare/*`
    Spare,
    /// `consumers/*`
    Consumers,
    /// `segments/*/metadata.json`
    Metadata,
    /// `node.json`
    NodeJson,
    /// Anything else.
    Other,
}

/// Kinds of directories.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirKind {
    /// The data directory itself.
    Root,
    /// `journal`
    Journal,
    /// `spare`
    Spare,
    /// `consumers`
    Consumers,
    /// `segments`: the topics' directories are its names.
    Segments,
    /// `segments/*`: the segments of one topic.
    Topic,
    /// Anything else.
    Other,
}

/// A class of things that make data durable, each of which a test can take away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Barrier {
    /// `fdatasync` of such files.
    Flush(FileKind),
    /// Writes of such files that are durable by themselves (`RWF_DSYNC`).
    SyncWrite(FileKind),
    /// `fsync` of such directories.
    Names(DirKind),
    /// `syncfs`: names, lengths and reserved blocks.
    AllNames,
    /// The same, and a flush of the device: the bytes of all files.
    AllFiles,
}

impl FileKind {
    /// By the path in the data directory; temporary names (with `~`) count as what they will become.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let path = path.replace('~', "");
        match path.split('/').collect::<Vec<_>>()[..] {
            ["journal", _] => Self::Journal,
            ["spare", _] => Self::Spare,
            ["consumers", ..] => Self::Consumers,
            ["segments", _, name] if name.starts_with("metadata.json") => Self::Metadata,
            ["segments", _, name] if name.contains(".idx") || name.contains(".pos") => Self::Index,
            ["segments", _, name] if name.contains(".lnc") => Self::Segment,
            [name] if name.starts_with("node.json") => Self::NodeJson,
            _ => Self::Other,
        }
    }
}

impl DirKind {
    /// By the path in the data directory.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path.split('/').collect::<Vec<_>>()[..] {
            [""] => Self::Root,
            ["journal"] => Self::Journal,
            ["spare"] => Self::Spare,
            ["consumers"] => Self::Consumers,
            ["segments"] => Self::Segments,
            ["segments", _] => Self::Topic,
            _ => Self::Other,
        }
    }
}
