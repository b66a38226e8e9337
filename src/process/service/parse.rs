//! Reads time spans and ports from TOML.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use crate::process::ports::Ports;

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let invalid = |why| de::Error::custom(format!("{text:?} is not a time span such as \"10s\": {why}"));
    humantime::parse_duration(&text).map_err(invalid)
}

pub(super) fn ports<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Ports>, D::Error> {
    deserializer.deserialize_any(PortsReader).map(Some)
}

struct PortsReader;

impl<'de> Visitor<'de> for PortsReader {
    type Value = Ports;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ports: a range (\"8000-8010\") or a list ([8000, 8001])")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Ports, E> {
        let wrong = || E::custom(format!("{text:?} is not a range of ports such as \"8000-8010\""));
        let (first, last) = text.split_once('-').ok_or_else(wrong)?;
        let parse = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
        let (first, last) = (parse(first)?, parse(last)?);
        if first > last { Err(wrong()) } else { Ok(Ports::from(first..=last)) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ports, A::Error> {
        let mut ports = Vec::new();
        while let Some(port) = list.next_element::<u16>()? {
            ports.push(port);
        }
        Ok(Ports::from(ports.as_slice()))
    }
}
