//! Values written as strings with a form of their own.

use std::{borrow::Cow, fmt, str::FromStr};

use bytesize::ByteSize;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A string that does not have the form its key asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {got:?}")]
pub struct MalformedValue {
    /// The form, in words.
    pub expected: &'static str,
    /// The string as written.
    pub got: String,
}

/// Where to train.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Device {
    /// A GPU where there is one and the preset is for GPUs, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU, counted from 0.
    Cuda(u32),
    /// Any GPU with a graphics driver.
    Wgpu,
}

impl Device {
    pub(crate) const FORMAT: &str = "device";
    const FORM: &str = "\"auto\", \"cpu\", \"cuda\", \"cuda:N\" or \"wgpu\"";
}

impl FromStr for Device {
    type Err = MalformedValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = || MalformedValue {
            expected: Self::FORM,
            got: text.to_owned(),
        };
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "wgpu" => Ok(Self::Wgpu),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(malformed)?;
                // `u32::from_str` alone would take "cuda:+1".
                if !index.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(malformed());
                }
                index.parse().map(Self::Cuda).map_err(|_| malformed())
            }
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Wgpu => f.write_str("wgpu"),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = MalformedValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl JsonSchema for Device {
    fn schema_name() -> Cow<'static, str> {
        "Device".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": Self::FORMAT,
            "pattern": "^(auto|cpu|cuda|cuda:[0-9]+|wgpu)$",
        })
    }
}

/// An amount of device memory, or none if no GPU is meant. Written as "22GiB", or "" for none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceMemory(Option<u64>);

impl DeviceMemory {
    pub(crate) const FORMAT: &str = "device-memory";
    const FORM: &str = "\"\" or a number with a unit (B, KiB, MiB, GiB, TiB, kB, MB, GB, TB) such as \"22GiB\", at most \"1EiB\"";

    /// More bytes than any machine has: a process on 64-bit hardware can address no more.
    pub const MORE_THAN_ANY_MACHINE: u64 = 1 << 47;

    /// This many bytes, at most an exbibyte.
    pub fn of(bytes: u64) -> Self {
        Self(Some(bytes.min(bytesize::EIB)))
    }

    /// The amount in bytes, or `None` where no GPU is meant.
    pub fn bytes(self) -> Option<u64> {
        self.0
    }
}

impl FromStr for DeviceMemory {
    type Err = MalformedValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        // A number alone would count bytes where gibibytes were meant.
        let has_unit = text.ends_with(|last: char| last.is_ascii_alphabetic());
        match text.parse::<ByteSize>() {
            Ok(size) if size.as_u64() <= bytesize::EIB && (has_unit || text == "0") => {
                Ok(Self(Some(size.as_u64())))
            }
            _ => Err(MalformedValue {
                expected: Self::FORM,
                got: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for DeviceMemory {
    /// The largest unit that loses nothing, so that the text reads back as the same number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bytes) = self.0 else { return Ok(()) };
        let units = [
            (bytesize::PIB, "PiB"),
            (bytesize::TIB, "TiB"),
            (bytesize::GIB, "GiB"),
            (bytesize::MIB, "MiB"),
            (bytesize::KIB, "KiB"),
        ];
        match units
            .iter()
            .find(|(size, _)| bytes > 0 && bytes % size == 0)
        {
            Some((size, unit)) => write!(f, "{}{unit}", bytes / size),
            None => write!(f, "{bytes}B"),
        }
    }
}

impl TryFrom<String> for DeviceMemory {
    type Error = MalformedValue;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<DeviceMemory> for String {
    fn from(memory: DeviceMemory) -> Self {
        memory.to_string()
    }
}

impl JsonSchema for DeviceMemory {
    fn schema_name() -> Cow<'static, str> {
        "DeviceMemory".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "format": Self::FORMAT,
            "pattern": "^(0|[0-9]+(\\.[0-9]+)?\\s*([kKmMgGtTpPeE]([iI]?[bB])?|[bB]))?$",
        })
    }
}

/// The name of a key, `section.key`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyPath(pub String);

impl KeyPath {
    pub(crate) const FORMAT: &str = "key";
}

impl JsonSchema for KeyPath {
    fn schema_name() -> Cow<'static, str> {
        "KeyPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": Self::FORMAT })
    }
}

/// Which images are decoded once and kept in host memory. Written as true, false or "auto".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Preload {
    /// None.
    #[default]
    Off,
    /// All.
    On,
    /// As many as fit.
    Auto,
}

/// When samples are read in the order in which they are stored, through a shuffle buffer: `true`, `false` or `"auto"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Streaming {
    /// Never.
    Off,
    /// Always.
    On,
    /// Where the images of the data set lie in shards.
    #[default]
    Auto,
}

/// The third value of a switch.
const AUTO: &str = "auto";

/// Text forms of a switch that is off, on or "auto".
macro_rules! switch {
    ($switch:ident, $name:literal) => {
        impl Serialize for $switch {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    Self::Off => serializer.serialize_bool(false),
                    Self::On => serializer.serialize_bool(true),
                    Self::Auto => serializer.serialize_str(AUTO),
                }
            }
        }

        impl<'de> Deserialize<'de> for $switch {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Read;
                impl de::Visitor<'_> for Read {
                    type Value = $switch;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("true, false or \"auto\"")
                    }

                    fn visit_bool<E: de::Error>(self, on: bool) -> Result<$switch, E> {
                        Ok(if on { $switch::On } else { $switch::Off })
                    }

                    fn visit_str<E: de::Error>(self, word: &str) -> Result<$switch, E> {
                        match word {
                            AUTO => Ok($switch::Auto),
                            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                        }
                    }
                }
                deserializer.deserialize_any(Read)
            }
        }

        impl JsonSchema for $switch {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "enum": [true, false, AUTO] })
            }
        }
    };
}

switch!(Preload, "Preload");
switch!(Streaming, "Streaming");

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_device(text: &str, expected: Option<Device>) {
        assert_eq!(text.parse::<Device>().ok(), expected, "{text:?}");
    }

    #[test]
    fn device_forms() {
        check_device("auto", Some(Device::Auto));
        check_device("cpu", Some(Device::Cpu));
        check_device("cuda", Some(Device::Cuda(0)));
        check_device("cuda:3", Some(Device::Cuda(3)));
        check_device("wgpu", Some(Device::Wgpu));
        for text in [
            "",
            "gpu",
            "CUDA",
            "cuda:",
            "cuda:x",
            "cuda:+1",
            "cuda:-1",
            "cuda:4294967296",
        ] {
            check_device(text, None);
        }
    }

    fn check_memory(text: &str, expected: Option<DeviceMemory>) {
        assert_eq!(text.parse::<DeviceMemory>().ok(), expected, "{text:?}");
    }

    #[test]
    fn memory_forms() {
        check_memory("", Some(DeviceMemory(None)));
        check_memory("22GiB", Some(DeviceMemory(Some(22 << 30))));
        check_memory("22 GB", Some(DeviceMemory(Some(22_000_000_000))));
        check_memory("1.5GiB", Some(DeviceMemory(Some(3 << 29))));
        check_memory("0", Some(DeviceMemory(Some(0))));
        for text in [
            "-1", "GiB", "22 gigs", "nan", "1e3GiB", "2EiB", " ", "22", "1.5",
        ] {
            check_memory(text, None);
        }
    }

    #[test]
    fn preload_forms() {
        for (json, preload) in [
            ("true", Preload::On),
            ("false", Preload::Off),
            ("\"auto\"", Preload::Auto),
        ] {
            assert_eq!(serde_json::from_str::<Preload>(json).ok(), Some(preload));
            assert_eq!(serde_json::to_string(&preload).ok().as_deref(), Some(json));
        }
        for json in ["\"true\"", "\"Auto\"", "1", "null", "[]"] {
            assert!(serde_json::from_str::<Preload>(json).is_err(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn memory_reads_back(bytes in 0..=bytesize::EIB) {
            let memory = DeviceMemory::of(bytes);
            prop_assert_eq!(memory.to_string().parse::<DeviceMemory>(), Ok(memory));
        }

        #[test]
        fn device_reads_back(index: u32) {
            let device = Device::Cuda(index);
            prop_assert_eq!(device.to_string().parse::<Device>(), Ok(device));
        }
    }
}
