//! `name=value`, as the bench writes it.

use std::collections::HashMap;
use std::error::Error;
use std::net::SocketAddrV4;
use std::str::FromStr;

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub struct Args(HashMap<String, String>);

impl Args {
    pub fn read(words: impl Iterator<Item = String>) -> Result<Self> {
        words
            .map(|word| match word.split_once('=') {
                Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
                None => Err(format!("{word:?} is not name=value").into()),
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The value, or what stands for it when it is not given.
    pub fn get<T: FromStr<Err: Error + 'static>>(&self, name: &str, default: T) -> Result<T> {
        match self.0.get(name) {
            Some(value) => value.parse().map_err(|error| format!("{name}={value}: {error}").into()),
            None => Ok(default),
        }
    }

    /// A switch: 0 or 1.
    pub fn flag(&self, name: &str) -> Result<bool> {
        Ok(self.get(name, 0_u8)? != 0)
    }

    /// Who is sent to; everything here is IPv4.
    pub fn target(&self) -> Result<SocketAddrV4> {
        Ok(self.0.get("to").ok_or("to=HOST:PORT is missing")?.parse()?)
    }
}
