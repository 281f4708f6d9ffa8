//! A demo that was run to its end: what it told, and how long it took.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a demo that does not run fails its test")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a demo told, without a terminal.
#[derive(Debug)]
pub struct Told {
    /// Line by line.
    pub lines: Vec<String>,
    /// What it complained of.
    pub complaints: String,
    /// How long it took.
    pub took: Duration,
}

impl Told {
    /// Runs a demo that must go well, and leave nothing behind.
    ///
    /// # Panics
    ///
    /// When it did not, or did.
    #[must_use]
    pub fn by(demo: &Path) -> Self {
        let (started, folder) = (Instant::now(), tempfile::tempdir().unwrap());
        let output = Command::new(demo).env("TMPDIR", folder.path()).stdin(Stdio::null()).output().unwrap();
        let complaints = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{complaints}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "something is left of it");
        let lines = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        Self { lines, complaints, took: started.elapsed() }
    }

    /// Holds it to a line that has all of these words, in order, somewhere in it.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn says(&self, words: &str) {
        let found = self.lines.iter().any(|line| {
            let mut rest = line.split_whitespace();
            words.split_whitespace().all(|word| rest.any(|found| found == word))
        });
        assert!(found, "no line says `{words}`:\n{}", self.lines.join("\n"));
    }

    /// Holds it to a story of so many parts, told to its end, readably and in under a minute.
    ///
    /// # Panics
    ///
    /// When it is not.
    #[track_caller]
    pub fn is_whole(&self, parts: usize) {
        assert!(self.lines.last().unwrap().starts_with("That is all."), "{self:?}");
        assert!(self.took < Duration::from_mins(1), "it took {:?}", self.took);
        assert_eq!(self.complaints, "");
        assert_eq!(self.headings().len(), parts);
        assert_eq!(self.long_lines(), Vec::<&str>::new());
    }

    /// Its headings.
    #[must_use]
    pub fn headings(&self) -> Vec<&str> {
        let underlined = self.lines.windows(2).filter(|pair| !pair[1].is_empty() && pair[1].chars().all(|c| c == '='));
        underlined.map(|pair| pair[0].as_str()).collect()
    }

    /// Lines that are too long to be read, but for those that hold a whole key, which cannot be broken.
    #[must_use]
    pub fn long_lines(&self) -> Vec<&str> {
        let whole_key = |line: &&String| line.trim_start_matches("$ OVEN_KEY=").trim_start().starts_with("provider:");
        let long = self.lines.iter().filter(|line| line.chars().count() > 120 && !whole_key(line));
        long.map(String::as_str).collect()
    }
}
