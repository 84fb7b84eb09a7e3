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
    matches: &'a ArgMatches,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Given<'a> {
    pub(super) fn new(matches: &'a ArgMatches, env: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { matches, env }
    }

    /// The value of a flag or of its variable, read by `read`.
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
        let value = self.matches.try_get_one::<String>(name).ok().flatten();
        value.map(|text| read(text).map_err(|error| Usage::about(&dashed(name), error))).transpose()
    }

    /// The value of a variable.
    pub(super) fn variable<T, E: Display>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Option<T>, Usage> {
        let value = (self.env)(name).filter(|text| !text.is_empty());
        value.map(|text| read(&text).map_err(|error| Usage::about(name, error))).transpose()
    }

    /// All values of a flag, else those of its variable, which stand between commas. What is
    /// named twice counts once.
    pub(super) fn many<T: PartialEq, E: Display>(
        &self,
        name: &str,
        read: impl Fn(&str) -> Result<T, E>,
    ) -> Result<Vec<T>, Usage> {
        let mut all = Vec::new();
        let mut take = |source: &str, text: &str| {
            let value = read(text).map_err(|error| Usage::about(source, error))?;
            if !all.contains(&value) {
                all.push(value);
            }
            Ok(())
        };
        if let Some(texts) = self.matches.try_get_many::<String>(name).ok().flatten() {
            for text in texts {
                take(&dashed(name), text)?;
            }
        } else {
            let variable = variable_of(name);
            let list = (self.env)(&variable).unwrap_or_default();
            for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
                take(&variable, text)?;
            }
        }
        Ok(all)
    }

    /// Whether a flag without a value was given, or what its variable says.
    pub(super) fn switch(&self, name: &str) -> Result<Option<bool>, Usage> {
        if self.is_set(name) {
            Ok(Some(true))
        } else {
            self.variable(&variable_of(name), values::switch)
        }
    }

    /// Whether a flag without a value was given.
    pub(super) fn is_set(&self, name: &str) -> bool {
        self.matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or_default()
    }

    /// The matches themselves, for what is neither flag nor variable.
    pub(super) fn matches(&self) -> &ArgMatches {
        self.matches
    }
}

fn dashed(name: &str) -> String {
    format!("--{name}")
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
