//! What was given for each option: by a flag, else by its variable, else nothing.
//!
//! What to notice:
//! * A flag beats its variable completely: two `--channel` replace all of `BAREWIRE_CHANNEL`.
//! * A variable set to nothing is not set. Compose files and units write `REDIS_URL=` for that.
//! * The name of a variable follows from that of its flag, so there is no second table to keep.

use std::fmt::Display;

use clap::ArgMatches;

use super::{Usage, values};

/// The arguments and the environment, asked by the name of a flag.
pub(super) struct Given<'a> {
    pub(super) matches: &'a ArgMatches,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
}

impl Given<'_> {
    /// The value of a flag or of its variable, read by `read`, whose error says what to write.
    pub(super) fn one<T, E: Display>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Usage> {
        match self.flag(name, &read)? {
            Some(value) => Ok(Some(value)),
            None => self.variable(&variable_of(name), read),
        }
    }

    /// The value of a flag, whatever the environment says.
    pub(super) fn flag<T, E: Display>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Usage> {
        let flag = format!("--{name}");
        match self.written(name).as_slice() {
            [] => Ok(None),
            [text] => read(text).map(Some).map_err(|advice| Usage::about(&flag, advice)),
            _ => Err(Usage::about(&flag, "write it only once")),
        }
    }

    /// The value of a variable.
    pub(super) fn variable<T, E: Display>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Usage> {
        let text = (self.env)(name).filter(|text| !text.is_empty());
        text.map(|text| read(&text).map_err(|advice| Usage::about(name, advice))).transpose()
    }

    /// All values of a flag, else those of its variable, which stand between commas. What is
    /// named twice counts once.
    pub(super) fn many<T: PartialEq, E: Display>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Usage> {
        let (mut source, mut texts) = (format!("--{name}"), self.written(name));
        let list = (self.env)(&variable_of(name)).unwrap_or_default();
        if texts.is_empty() {
            source = variable_of(name);
            texts = list.split(',').map(str::trim).filter(|text| !text.is_empty()).collect();
        }
        let mut all = Vec::new();
        for text in texts {
            let value = read(text).map_err(|advice| Usage::about(&source, advice))?;
            if !all.contains(&value) {
                all.push(value);
            }
        }
        Ok(all)
    }

    /// Whether a flag without a value was given, or what its variable says.
    pub(super) fn switch(&self, name: &str) -> Result<Option<bool>, Usage> {
        if self.matches.get_flag(name) {
            return Ok(Some(true));
        }
        self.variable(&variable_of(name), values::switch)
    }

    fn written(&self, name: &str) -> Vec<&str> {
        self.matches.get_many(name).into_iter().flatten().map(String::as_str).collect()
    }
}

fn variable_of(name: &str) -> String {
    match name {
        "redis" => "REDIS_URL".to_owned(),
        _ => format!("BAREWIRE_{}", name.to_ascii_uppercase().replace('-', "_")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_named_after_their_flags() {
        for (name, expected) in [
            ("redis", "REDIS_URL"),
            ("bind", "BAREWIRE_BIND"),
            ("max-connections", "BAREWIRE_MAX_CONNECTIONS"),
        ] {
            assert_eq!(variable_of(name), expected);
        }
    }
}
