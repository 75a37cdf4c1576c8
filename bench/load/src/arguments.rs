//! `--name value` pairs. Every flag must be taken by the scenario: one that is not is an error, never ignored.

use crate::error::LoadError;
use std::collections::BTreeMap;
use std::str::FromStr;

/// What the help prints.
pub const HELP: &str = "\
lance-load SCENARIO [--FLAG VALUE ...]: the native half of `lance bench`; prints one line of JSON

  ingest      closed loop        --endpoint H:P --connections 16 --in-flight 8 --record-size 1024 --batch-bytes 65536
                                 --topics 1 --topic-ids 1,2,5-9 --compression none|lz4|zstd --max-bytes B --warmup 1 --seconds 5
  latency     open loop          --endpoint H:P --rate 5000 --arrivals even|poisson --seed N --record-size 300 --spin 0|1
  catch-up    reads logs         --endpoint H:P --topic-ids 1 --connections 1 --fetch-bytes 1048576 --from 0 --seconds 5
  tail        publish to deliver --endpoint H:P --topic-ids 1 --connections 1 --rate 5000 --record-size 1024 --spin 0|1
  idle        idle connections   --endpoint H:P --connections 2000 --seconds 10
  disk        the disk's floors  --dir D --seconds 8 --file-bytes 1073741824
  network     the loopback's     --frame-bytes 349 --seconds 2 --spin 0|1
  receive     bare pipeline      --mode discard|write|grow --dir D --file-bytes B --policy BLOCK:DEPTH:never|each|BYTES
                                 --flush-seconds S
  read        bare read pipeline --dir D --file-bytes B --cold 0|1 --block 1048576 --depth 4
                                 --log DIR --from B --to B: segments once instead of a file over and over
  sink        its other end      --endpoint H:P --seconds 2

Sizes are bytes, times are seconds, results are nanoseconds and rates a second. With a rate, `ingest` is an open loop, too.
Topics that are not named by --topic-ids are created for the run and stay. With `--events 1` progress is told as lines of
JSON, and a line (or the end) of stdin ends the run early with what was measured.";

/// The flags of one run that nobody has taken yet.
#[derive(Debug)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    /// Reads `--name value` pairs.
    ///
    /// # Errors
    /// Something that is no flag, or a flag without a value.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, LoadError> {
        let mut flags = BTreeMap::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .ok_or_else(|| LoadError::Usage(format!("`{word}` is no flag")))?;
            let value = words
                .next()
                .ok_or_else(|| LoadError::Usage(format!("--{name} needs a value")))?;
            flags.insert(name.to_owned(), value);
        }
        Ok(Self(flags))
    }

    /// Takes a flag that must be there.
    ///
    /// # Errors
    /// It is not.
    pub fn required(&mut self, name: &str) -> Result<String, LoadError> {
        self.0
            .remove(name)
            .ok_or_else(|| LoadError::Usage(format!("--{name} is missing")))
    }

    /// Takes a number between `min` and `max`, or its default.
    ///
    /// # Errors
    /// It is no number, or out of range.
    pub fn number<T>(&mut self, name: &str, default: T, min: T, max: T) -> Result<T, LoadError>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.0.remove(name) else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|value| (&min..=&max).contains(&value))
            .ok_or_else(|| {
                LoadError::Usage(format!(
                    "--{name} is `{text}`, expected a number from {min} to {max}"
                ))
            })
    }

    /// Takes a flag's text, if it is there.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// Takes one of some words, or the default.
    ///
    /// # Errors
    /// It is none of them.
    pub fn choice<T: Copy>(
        &mut self,
        name: &str,
        default: T,
        words: &[(&str, T)],
    ) -> Result<T, LoadError> {
        let Some(text) = self.0.remove(name) else {
            return Ok(default);
        };
        words
            .iter()
            .find_map(|(word, value)| (*word == text).then_some(*value))
            .ok_or_else(|| {
                let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
                LoadError::Usage(format!(
                    "--{name} is `{text}`, expected {}",
                    known.join(" or ")
                ))
            })
    }

    /// Takes a list of ids and ranges, `1,2,5-9`; empty when it is not there.
    ///
    /// # Errors
    /// It is no such list.
    pub fn ids(&mut self, name: &str) -> Result<Vec<u32>, LoadError> {
        let Some(text) = self.0.remove(name) else {
            return Ok(Vec::new());
        };
        let parse = |part: &str| -> Option<std::ops::RangeInclusive<u32>> {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        };
        let mut ids = Vec::new();
        for part in text.split(',') {
            ids.extend(parse(part).ok_or_else(|| {
                LoadError::Usage(format!(
                    "--{name} is `{text}`, expected ids such as 1,2,5-9"
                ))
            })?);
        }
        Ok(ids)
    }

    /// Checks that every flag was taken.
    ///
    /// # Errors
    /// One was not: the scenario does not know it.
    pub fn finish(self) -> Result<(), LoadError> {
        match self.0.into_keys().next() {
            Some(name) => Err(LoadError::Usage(format!("--{name} is not known here"))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, LoadError> {
        Arguments::parse(words.iter().map(ToString::to_string))
    }

    #[test]
    fn a_flag_that_nobody_takes_is_named() {
        let mut arguments = parse(&["--rate", "5", "--speed", "9"]).expect("parses");
        assert_eq!(arguments.number("rate", 1_u64, 1, 10).expect("a number"), 5);
        let error = arguments.finish().expect_err("--speed is left").to_string();
        assert!(error.contains("--speed"), "{error}");
    }

    #[test]
    fn a_number_out_of_range_and_a_flag_without_value_are_usage_errors() {
        let mut arguments = parse(&["--rate", "11"]).expect("parses");
        let error = arguments
            .number("rate", 1_u64, 1, 10)
            .expect_err("too large");
        assert!(error.to_string().contains("from 1 to 10") && error.exit_code() == 2);
        assert!(parse(&["--rate"]).is_err() && parse(&["rate", "1"]).is_err());
    }
}
