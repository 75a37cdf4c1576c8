//! One file that is looked at, segment or not.

use std::path::Path;
use std::sync::Arc;

use lance_engine::recovery;
use napi::bindgen_prelude::{AsyncTask, Buffer};
use napi::{Env, Result, Task};
use napi_derive::napi;

use super::batches::{BatchSeen, Stretch, WantedBatch};
use super::FileError;

/// A file that is looked at. It is opened once, so that a rename or a removal meanwhile changes nothing.
#[napi]
pub struct LogFile {
    file: Option<Arc<recovery::LogFile>>,
}

#[napi]
impl LogFile {
    #[napi(constructor)]
    #[allow(clippy::new_without_default)] // for JavaScript
    pub fn new() -> Self {
        Self { file: None }
    }
    /// Opens the regular file at `path`; nothing is returned when that went well.
    #[napi]
    pub fn open(&mut self, path: String) -> Option<FileError> {
        match recovery::LogFile::open(Path::new(&path)) {
            Ok(file) => {
                self.file = Some(Arc::new(file));
                None
            }
            Err(error) => Some(error.into()),
        }
    }
    /// Closes it as soon as nothing reads it any more.
    #[napi]
    pub fn close(&mut self) {
        self.file = None;
    }
    /// Bytes in the file now.
    #[napi]
    pub fn size(&self) -> Result<i64> {
        let length = self.inner()?.len()?;
        Ok(length.cast_signed())
    }
    /// Follows batches from byte `from` on, at most `budget` bytes and one batch, and checks everything about each.
    #[napi(ts_return_type = "Promise<Stretch>")]
    pub fn follow(&self, from: i64, wanted: WantedBatch, budget: i64) -> Result<AsyncTask<Follow>> {
        Ok(AsyncTask::new(Follow {
            file: self.inner()?,
            from: from.cast_unsigned(),
            wanted: wanted.into(),
            budget: budget.cast_unsigned(),
        }))
    }
    /// Up to `most` headers from byte `from` on, each behind the batch before it; payloads are not read.
    #[napi]
    pub fn headers(&self, from: i64, most: u32) -> Result<Vec<BatchSeen>> {
        let found = self.inner()?.headers(from.cast_unsigned(), most as usize)?;
        Ok(found.iter().map(Into::into).collect())
    }
    /// The first batch header from byte `from` on that holds, of the topic and epoch if they are given.
    #[napi(ts_return_type = "Promise<BatchSeen | null>")]
    pub fn find_header(
        &self,
        from: i64,
        topic: Option<u32>,
        epoch: Option<u32>,
    ) -> Result<AsyncTask<FindHeader>> {
        Ok(AsyncTask::new(FindHeader {
            file: self.inner()?,
            from: from.cast_unsigned(),
            owner: topic.zip(epoch),
        }))
    }
    /// The first byte from `from` on that is not zero.
    #[napi(ts_return_type = "Promise<number | null>")]
    pub fn first_nonzero(&self, from: i64) -> Result<AsyncTask<FirstNonzero>> {
        Ok(AsyncTask::new(FirstNonzero {
            file: self.inner()?,
            from: from.cast_unsigned(),
        }))
    }
    /// Ordinals in a stretch of both indexes whose entries this segment, whose batches end at byte `end`, does not confirm.
    #[napi(ts_return_type = "Promise<number[]>")]
    pub fn unconfirmed(&self, idx: Buffer, pos: Buffer, end: i64) -> Result<AsyncTask<Confirm>> {
        Ok(AsyncTask::new(Confirm {
            file: self.inner()?,
            idx: idx.to_vec(),
            pos: pos.to_vec(),
            end: end.cast_unsigned(),
        }))
    }
    /// `length` bytes from `at` on; fewer at the end of the file.
    #[napi]
    pub fn read(&self, at: i64, length: u32) -> Result<Buffer> {
        let mut bytes = vec![0; length as usize];
        let got = self.inner()?.read_at(&mut bytes, at.cast_unsigned())?;
        bytes.truncate(got);
        Ok(bytes.into())
    }
}

impl LogFile {
    fn inner(&self) -> Result<Arc<recovery::LogFile>> {
        self.file
            .clone()
            .ok_or_else(|| napi::Error::from_reason("the file is not open"))
    }
}

/// Runs on a worker thread of libuv.
pub struct Follow {
    file: Arc<recovery::LogFile>,
    from: u64,
    wanted: recovery::Wanted,
    budget: u64,
}

impl Task for Follow {
    type Output = recovery::Stretch;
    type JsValue = Stretch;
    fn compute(&mut self) -> Result<recovery::Stretch> {
        Ok(self.file.follow(self.from, &self.wanted, self.budget))
    }
    fn resolve(&mut self, _env: Env, stretch: recovery::Stretch) -> Result<Stretch> {
        Ok(stretch.into())
    }
}

/// Runs on a worker thread of libuv.
pub struct FindHeader {
    file: Arc<recovery::LogFile>,
    from: u64,
    owner: Option<(u32, u32)>,
}

impl Task for FindHeader {
    type Output = Option<recovery::BatchSeen>;
    type JsValue = Option<BatchSeen>;
    fn compute(&mut self) -> Result<Option<recovery::BatchSeen>> {
        Ok(self.file.find_header(self.from, self.owner)?)
    }
    fn resolve(&mut self, _env: Env, found: Self::Output) -> Result<Option<BatchSeen>> {
        Ok(found.as_ref().map(Into::into))
    }
}

/// Runs on a worker thread of libuv.
pub struct FirstNonzero {
    file: Arc<recovery::LogFile>,
    from: u64,
}

impl Task for FirstNonzero {
    type Output = Option<i64>;
    type JsValue = Option<i64>;
    fn compute(&mut self) -> Result<Option<i64>> {
        Ok(self.file.first_nonzero(self.from)?.map(u64::cast_signed))
    }
    fn resolve(&mut self, _env: Env, found: Option<i64>) -> Result<Option<i64>> {
        Ok(found)
    }
}

/// Runs on a worker thread of libuv.
pub struct Confirm {
    file: Arc<recovery::LogFile>,
    idx: Vec<u8>,
    pos: Vec<u8>,
    end: u64,
}

impl Task for Confirm {
    type Output = Vec<u32>;
    type JsValue = Vec<u32>;
    fn compute(&mut self) -> Result<Vec<u32>> {
        Ok(self.file.unconfirmed(&self.idx, &self.pos, self.end)?)
    }
    fn resolve(&mut self, _env: Env, found: Vec<u32>) -> Result<Vec<u32>> {
        Ok(found)
    }
}
