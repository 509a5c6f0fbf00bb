use std::fmt;
use std::str::FromStr;

/// A container of region features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FeatureFormat {
    /// Lines of bottom-up attention: id, width, height, regions, boxes, features.
    ButdTsv,
    /// Lines of LXMERT: id, height, width, objects, attributes, regions, boxes, features.
    LxmertTsv,
    /// HDF5 with a fixed number of regions an image, and a pickle from image to row.
    ButdHdf5,
    /// HDF5 with the regions of all images one after the other, and a pickle from image to row.
    AdaptiveHdf5,
    /// An archive of arrays an image; whether channels or regions come first shows in the number of regions.
    Npz,
    /// As `npz`, with features `[channels, regions]`.
    NpzChannelsFirst,
    /// As `npz`, with features `[regions, channels]`.
    NpzBoxesFirst,
    /// An array and a pickled dictionary an image, as MMF writes them.
    MmfNpy,
    /// The LMDB of MMF: a pickled dictionary an image.
    MmfLmdb,
    /// A safetensors file an image with `regions` and `boxes`.
    Safetensors,
    /// Files that an import wrote, to join them or to change their numbers.
    Regions,
}

impl FeatureFormat {
    /// Every container.
    pub const ALL: [Self; 11] = [
        Self::ButdTsv,
        Self::LxmertTsv,
        Self::ButdHdf5,
        Self::AdaptiveHdf5,
        Self::Npz,
        Self::NpzChannelsFirst,
        Self::NpzBoxesFirst,
        Self::MmfNpy,
        Self::MmfLmdb,
        Self::Safetensors,
        Self::Regions,
    ];

    /// Its name in arguments and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::ButdTsv => "butd-tsv",
            Self::LxmertTsv => "lxmert-tsv",
            Self::ButdHdf5 => "butd-hdf5",
            Self::AdaptiveHdf5 => "adaptive-hdf5",
            Self::Npz => "npz",
            Self::NpzChannelsFirst => "npz-channels-first",
            Self::NpzBoxesFirst => "npz-boxes-first",
            Self::MmfNpy => "mmf-npy",
            Self::MmfLmdb => "mmf-lmdb",
            Self::Safetensors => "safetensors",
            Self::Regions => "regions",
        }
    }
}

impl fmt::Display for FeatureFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for FeatureFormat {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|format| format.name()).collect();
            format!("the containers are {}", names.join(", "))
        })
    }
}
