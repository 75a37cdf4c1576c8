//! Every capacity of a node, in one place (design.md, section 4).
//!
//! The numbers come from `[limits]` of lance.toml; what follows from them is computed here and nowhere else.

use crate::memory::{Backing, SlabClass};

/// Bytes of a frame header (lwp.md, "Header").
pub const FRAME_HEADER: u32 = 44;
/// Unit of every direct write and read, and what blocks of the journal are multiples of.
pub const BLOCK: u64 = 4096;
/// A topic with this much pending writes its slab straight to its segment (design.md, section 5): less than 64 KiB, so that
/// a batch that a client filled up to those, TLV headers and all, does not go through the journal as well.
pub const DIRECT_BYTES: u64 = 48 * 1024;
/// Most payload of one batch, and of one stored record with its TLV header: 16 MiB - 4 KiB (formats.md, "Segment").
pub const MAX_BATCH_PAYLOAD: u32 = 16 * 1024 * 1024 - 4096;
/// Room in a topic's largest slabs beside the payload: the block before it in the file that the slab repeats, and the batch header.
pub const JUMBO_HEADROOM: u32 = 8192;
/// Bytes of a topic's slab that is populated at its first use: the larger it is, the fewer writes thousands of busy topics make.
/// Two chunks of the journal fill while a topic settles once, which is some 22 KiB for each of 5,000 and the block that a slab repeats.
pub const SMALL_SLAB: u32 = 28_672;
/// Bytes of a slab for cold reads: one operation of the device each, and few of them.
pub const READ_SLAB: u32 = 512 * 1024;
/// Room in front of a response's data, for frame header (44) and fetch header (16), rounded up.
pub const RESPONSE_HEADROOM: u32 = 64;

/// What an operator can limit. Field names are those of `[limits]` in lance.toml.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame, header included, bytes.
    pub max_frame: u32,
    /// Connections at once.
    pub connections: u32,
    /// Topics at once.
    pub topics: u32,
    /// Frames received and not yet acknowledged, of all connections.
    pub inflight_frames: u32,
    /// Bytes of frames handed to the ingest agents and not yet taken over by them.
    pub inflight_bytes: u64,
    /// A first frame, or the rest of a begun one, must arrive within this many nanoseconds.
    pub frame_timeout_ns: u64,
    /// An idle connection is closed after this; 0: never.
    pub idle_timeout_ns: u64,
    /// Committed offsets kept at once, all topics.
    pub commits: u32,
    /// Committed offsets kept at once, one topic.
    pub commits_per_topic: u32,
    /// A committed offset is forgotten after this.
    pub commit_ttl_ns: u64,
    /// Waiting fetches (`FetchWait`) at once.
    pub waiters: u32,
    /// Shared receive buffers: how many.
    pub recv_buffers: u16,
    /// Shared receive buffers: bytes of each.
    pub recv_buffer_bytes: u32,
    /// Slabs of 4 and 16 KiB and a little more than 64 KiB and `io.batch_size` for topics.
    pub topic_slabs: [u32; 4],
    /// Slabs of 28 KiB for topics, beside those: populated as they are first used, so that each topic has one where many are busy.
    pub small_slabs: u32,
    /// Slabs of 4, 16 and 64 KiB and `io.batch_size` for frames that arrive in pieces.
    pub frame_slabs: [u32; 4],
    /// Slabs of 16, 64 KiB, 256 KiB and 1 MiB for responses.
    pub response_slabs: [u32; 4],
    /// Slabs of 512 KiB for cold reads.
    pub read_slabs: u32,
    /// Journal write buffers of 1 MiB.
    pub journal_buffers: u32,
    /// Jumbo slabs, for frames and for responses each: reserved, populated on first use.
    pub jumbo_slabs: u32,
    /// File descriptors that the process may have; the node fills it in at its start.
    pub open_files: u32,
    /// `io.batch_size`, the largest regular slab, bytes.
    pub batch_size: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame: 16 * 1024 * 1024,
            connections: 8192,
            topics: 10_000,
            inflight_frames: 16_384,
            inflight_bytes: 8 * 1024 * 1024,
            frame_timeout_ns: 30_000_000_000,
            idle_timeout_ns: 0,
            commits: 16_384,
            commits_per_topic: 1024,
            commit_ttl_ns: 7 * 86_400 * 1_000_000_000,
            waiters: 16_384,
            recv_buffers: 256,
            recv_buffer_bytes: 16 * 1024,
            // 2 + 10 + 4.5 + 16.5 MiB. Most are of 16 KiB: a topic that outgrew 4 KiB needs more than that ever after, since a
            // slab repeats the last block of the one before it.
            topic_slabs: [512, 640, 64, 64],
            small_slabs: 10_000,
            // 1 + 1 + 4 + 2 MiB
            frame_slabs: [256, 64, 64, 8],
            // 0.6 + 1.1 + 1 + 2 MiB
            response_slabs: [32, 16, 4, 2],
            read_slabs: 8,
            journal_buffers: 1,
            jumbo_slabs: 16,
            open_files: 16_384,
            batch_size: 256 * 1024,
        }
    }
}

impl Limits {
    /// Bytes of a jumbo slab: a whole frame, what precedes it in the file, and a block to round up to.
    #[must_use]
    pub fn jumbo_bytes(&self) -> u32 {
        (self.max_frame + JUMBO_HEADROOM + 2 * BLOCK as u32).next_multiple_of(BLOCK as u32)
    }
    /// Classes of the pool in which topics' batches are laid out.
    #[must_use]
    pub fn topic_classes(&self) -> Vec<SlabClass> {
        // A whole batch of 64 KiB or `batch_size` fits behind the block that the slab repeats: it would take a slab of four
        // times the size, or a jumbo one that is mapped for it.
        let [large, largest] = [65_536, self.batch_size].map(|bytes| bytes + JUMBO_HEADROOM);
        // A small `batch_size` must not make a class of the small slabs' size, which are populated otherwise.
        let largest = largest
            + if largest == SMALL_SLAB {
                BLOCK as u32
            } else {
                0
            };
        let mut classes = regular(&[4096, 16_384, large, largest], &self.topic_slabs);
        let above = classes.partition_point(|class| class.bytes < SMALL_SLAB);
        let small = SlabClass {
            bytes: SMALL_SLAB,
            count: self.small_slabs,
            backing: Backing::FirstUse,
        };
        classes.insert(above, small);
        self.with_jumbo(classes)
    }
    /// The largest regular class of a topic's slabs; which one that is depends on `batch_size`.
    #[must_use]
    pub fn large_topic_class(&self) -> SlabClass {
        let largest = self.regular_topic_classes().max_by_key(|c| c.bytes);
        largest.expect("there are regular classes")
    }
    /// Bytes of all topics' slabs that are there from the start.
    #[must_use]
    pub fn topic_slab_bytes(&self) -> u64 {
        let classes = self.regular_topic_classes();
        classes
            .map(|class| u64::from(class.bytes) * u64::from(class.count))
            .sum()
    }
    /// How many of them take a direct write.
    #[must_use]
    pub fn direct_slabs(&self) -> u32 {
        let classes = self.regular_topic_classes();
        let direct = classes.filter(|class| u64::from(class.bytes) > DIRECT_BYTES);
        direct.map(|class| class.count).sum()
    }
    fn regular_topic_classes(&self) -> impl Iterator<Item = SlabClass> {
        let classes = self.topic_classes().into_iter();
        classes.filter(|class| class.backing == Backing::Start)
    }
    /// Classes of the pool in which frames are put together.
    #[must_use]
    pub fn frame_classes(&self) -> Vec<SlabClass> {
        self.with_jumbo(regular(
            &[4096, 16_384, 65_536, self.batch_size],
            &self.frame_slabs,
        ))
    }
    /// Classes of the pool for responses, each a block larger than its data: who asks for 1 MiB gets it with the headers in front.
    #[must_use]
    pub fn response_classes(&self) -> Vec<SlabClass> {
        const HEAD: u32 = BLOCK as u32;
        self.with_jumbo(regular(
            &[
                16_384 + HEAD,
                65_536 + HEAD,
                262_144 + HEAD,
                (1 << 20) + HEAD,
            ],
            &self.response_slabs,
        ))
    }
    /// Classes of the pool for cold reads; a batch larger than a slab is read into a jumbo one.
    #[must_use]
    pub fn read_classes(&self) -> Vec<SlabClass> {
        self.with_jumbo(regular(&[READ_SLAB], &[self.read_slabs]))
    }
    /// Classes of the pool of the journal: write buffers, and blocks for reading the end of a segment.
    #[must_use]
    pub fn journal_classes(&self) -> Vec<SlabClass> {
        regular(&[BLOCK as u32, 1 << 20], &[32, self.journal_buffers])
    }
    /// Places of the hash table of committed offsets: at most half full.
    #[must_use]
    pub fn commit_places(&self) -> u32 {
        (self.commits.max(8) * 2).next_power_of_two()
    }
    /// Segments that are not sealed, at once: each topic's first one always fits, rotation pauses before that ends.
    #[must_use]
    pub fn open_segments(&self) -> u32 {
        self.topics * 2 + 1024
    }
    /// Slots of the ring's file table for journal chunks.
    #[must_use]
    pub const fn chunk_files(&self) -> u32 {
        8
    }
    /// Slots for active segments. Files that rest are closed when more are needed.
    #[must_use]
    pub fn segment_files(&self) -> std::ops::Range<u32> {
        // Beside them the process opens as many connections, and readers and indexes some hundreds of files.
        let files = self.topics.min(8192).min(self.open_files / 5 * 2);
        self.chunk_files()..self.chunk_files() + files + 16
    }
    /// Slots for files that are read.
    #[must_use]
    pub fn reader_files(&self) -> std::ops::Range<u32> {
        let from = self.segment_files().end;
        from..from + 96
    }
    /// Slots of the whole table.
    #[must_use]
    pub fn file_slots(&self) -> u32 {
        self.reader_files().end
    }

    fn with_jumbo(&self, mut classes: Vec<SlabClass>) -> Vec<SlabClass> {
        // With a small `max_frame` the regular classes hold every frame; the jumbo one still stands above them.
        let above = classes.last().map_or(0, |class| class.bytes + BLOCK as u32);
        classes.push(SlabClass {
            bytes: self.jumbo_bytes().max(above),
            count: self.jumbo_slabs,
            backing: Backing::EachUse,
        });
        classes
    }
}

/// Regular classes; two of the same size (a small `batch_size`) become one.
fn regular(bytes: &[u32], counts: &[u32]) -> Vec<SlabClass> {
    let mut classes: Vec<SlabClass> = Vec::with_capacity(bytes.len() + 1);
    for (&bytes, &count) in bytes.iter().zip(counts) {
        match classes.iter_mut().find(|class| class.bytes == bytes) {
            Some(class) => class.count += count,
            None => classes.push(SlabClass {
                bytes,
                count,
                backing: Backing::Start,
            }),
        }
    }
    classes.sort_by_key(|class| class.bytes);
    classes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::batch::BATCH_HEADER;

    #[test]
    fn a_batch_of_the_configured_size_needs_no_jumbo_slab_wherever_it_starts_in_a_block() {
        for batch_size in [4096, 65_536, 256 * 1024, 1 << 20] {
            let limits = Limits {
                batch_size,
                ..Limits::default()
            };
            let classes = limits.topic_classes();
            let regular = classes
                .iter()
                .filter(|class| class.backing == Backing::Start);
            let largest = regular.map(|class| class.bytes).max();
            let needed = BLOCK as u32 - 1 + BATCH_HEADER as u32 + batch_size;
            assert!(largest >= Some(needed), "{batch_size}: {classes:?}");
        }
    }

    #[test]
    fn the_classes_of_topics_slabs_ascend_with_every_batch_size() {
        for batch_size in (1..=1024).map(|blocks| blocks * BLOCK as u32) {
            let limits = Limits {
                batch_size,
                ..Limits::default()
            };
            let classes = limits.topic_classes();
            let ascend = classes.windows(2).all(|two| two[0].bytes < two[1].bytes);
            assert!(ascend, "{batch_size}: {classes:?}");
        }
    }

    #[test]
    fn the_large_class_counts_all_slabs_of_its_size_and_none_is_larger() {
        let large = |batch_size| {
            let limits = Limits {
                batch_size,
                topic_slabs: [512, 640, 32, 64],
                ..Limits::default()
            };
            let class = limits.large_topic_class();
            (class.bytes, class.count)
        };
        assert_eq!(large(256 * 1024), (256 * 1024 + 8192, 64));
        assert_eq!(large(65_536), (65_536 + 8192, 96), "two classes in one");
        assert_eq!(
            large(4096),
            (65_536 + 8192, 32),
            "that of a batch is a small one"
        );
    }
}
