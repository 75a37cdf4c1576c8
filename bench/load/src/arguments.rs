//! `--name value` pairs. Every flag must be taken by the scenario: one that is not is an error, never ignored.

use crate::error::LoadError;
use std::collections::BTreeMap;
use std::str::FromStr;

/// What the help prints.
pub const HELP: &str = "\
lance-load SCENARIO --endpoint HOST:PORT [--FLAG VALUE ...]: loads a running node, prints one line of JSON

  ingest      closed loop         --connections 16 --in-flight 8 --record-size 1024 --batch-bytes 65536
                                  --topics 1 --warmup 1 --seconds 5
  latency     open loop           --rate 5000 --record-size 300 --warmup 1 --seconds 5
  idle        idle connections    --connections 2000 --seconds 10
  round-trip  loopback, no node   --rate 5000 (0: back to back) --record-size 300 --warmup 1 --seconds 5

Sizes are bytes, times are seconds, results are nanoseconds and rates a second. Topics are created for the run and stay.
`ingest --topics 500 --record-size 300 --batch-bytes 1` sends one record a frame, round-robin over 500 topics.";

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
