use file_kind::counted;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use region_features::{Block, ENDING, Number, StoreError, Summary, Writer};
use serde::Serialize;

use super::container::FeatureFormat;
use super::regions::{Regions, Sink};
use super::sources::{Kind, Sources};
use super::{hdf5, mmf, npz, stored, tsv};
use crate::error::{ImportError, Place};
use crate::import::Progress;
use crate::write::Made;

/// What features to import, and where to.
#[derive(Debug, Clone, Default)]
pub struct FeatureRequest {
    /// Files, or folders with files, of one container.
    pub sources: Vec<PathBuf>,
    /// The folder of a data set, or the file to write, whose name then ends with `.regions`.
    pub to: PathBuf,
    /// Name of the file in the data set's `features`, without ending; the first source's name where there is none.
    pub name: Option<String>,
    /// The container, where files could be meant for two.
    pub format: Option<FeatureFormat>,
    /// How features are kept.
    pub number: Number,
    /// Whether all images may be square. MMF writes the width of an image for its height, too, when it takes files out of an
    /// LMDB; so images that are all square are an error unless this says that they are.
    pub square: bool,
}

/// What an import did.
#[derive(Debug, Clone, Serialize)]
pub struct FeatureReport {
    /// The container that was recognised.
    pub format: String,
    /// Files that were read.
    pub files: usize,
    /// The file that was written.
    pub written: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Images.
    pub images: u64,
    /// Regions of all images.
    pub regions: u64,
    /// Fewest regions of an image.
    pub fewest: usize,
    /// Most regions of an image.
    pub most: usize,
    /// Features of a region.
    pub channels: usize,
    /// Bits of a feature.
    pub bits: usize,
    /// Images that occurred again with equal regions; each was read once.
    pub repeated: usize,
}

/// The regions of an image, as a list shows them.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Name of the image in its container.
    pub image: String,
    /// The file.
    pub file: PathBuf,
    /// Width of the image in pixels, where the container has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub width: Option<f64>,
    /// Height of the image in pixels, where the container has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<f64>,
    /// Regions.
    pub regions: usize,
    /// Features of a region.
    pub channels: usize,
    /// `[regions, 6]`: left, top, right and bottom edge, width and height, as fractions of the image's.
    pub boxes: Vec<[f32; 6]>,
    /// Features of the first region.
    pub features_row_0: Vec<f32>,
    /// Features of the last region.
    pub features_last_row: Vec<f32>,
    /// Sum of all features.
    pub features_sum: f64,
}

/// Reads region features and writes them to one file. `progress` hears of the bytes that were read.
///
/// Memory holds the regions of some images, and the names of all.
///
/// # Errors
/// When no container is recognised, a file is damaged, an image has no regions, impossible boxes or numbers, or two different
/// sets of regions, or the file cannot be written. Nothing is written then.
pub fn import_features(
    request: &FeatureRequest,
    progress: &dyn Fn(Progress),
) -> Result<FeatureReport, ImportError> {
    let sources = Sources::find(&request.sources, request.format)?;
    let target = target(request, &sources)?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let mut made = Made::folder(folder)?;
    let report = write(request, &sources, &target, progress)?;
    made.keep();
    Ok(report)
}

/// Reads every image and writes the file.
fn write(
    request: &FeatureRequest,
    sources: &Sources,
    target: &Path,
    progress: &dyn Fn(Progress),
) -> Result<FeatureReport, ImportError> {
    let failed = |error| match error {
        StoreError::Io { source, .. } => ImportError::write(target)(source),
        error => error.into(),
    };
    let mut writer = Writer::create(target, request.number).map_err(failed)?;
    let mut known: HashMap<String, (PathBuf, Place, u32)> = HashMap::new();
    let mut repeated = 0;
    let format = each(sources, request, progress, &mut |path, regions| {
        let (image, place) = (regions.image.clone(), regions.place.clone());
        let block = regions.block(path)?;
        let sum = checksum(&block);
        if let Some((file, first, other)) = known.get(&image) {
            if *other == sum {
                repeated += 1;
                return Ok(());
            }
            return Err(ImportError::content(
                path,
                place,
                format!(
                    "image `{image}` has other regions than in `{}`{first}",
                    file.display()
                ),
                "import one set of features at a time, into data sets of their own",
            ));
        }
        writer.add(&image, &block).map_err(|error| match error {
            StoreError::TooLarge { .. } => {
                let cure = error.hint().unwrap_or_default();
                ImportError::content(
                    path,
                    place.clone(),
                    format!("image `{image}`: {error}"),
                    cure,
                )
            }
            error => failed(error),
        })?;
        known.insert(image, (path.to_owned(), place, sum));
        Ok(())
    })?;
    if known.is_empty() {
        return Err(ImportError::choice(
            format!("`{}` has no image", sources.files[0].display()),
            "download or copy the file again",
        ));
    }
    let Summary {
        number,
        dim,
        images,
        rows,
        fewest,
        most,
    } = writer.finish().map_err(failed)?;
    Ok(FeatureReport {
        format: format.to_string(),
        files: sources.files.len(),
        bytes: fs::metadata(target).map_err(ImportError::io(target))?.len(),
        written: target.to_owned(),
        images,
        regions: rows,
        fewest,
        most,
        channels: dim,
        bits: 8 * number.bytes(),
        repeated,
    })
}

/// Reads region features and hands out what an import would keep of each image. Writes nothing.
///
/// # Errors
/// As [`import_features`], but for what is about the file to write.
pub fn list_features(
    request: &FeatureRequest,
    progress: &dyn Fn(Progress),
    show: &mut dyn FnMut(Listed),
) -> Result<FeatureFormat, ImportError> {
    let sources = Sources::find(&request.sources, request.format)?;
    each(&sources, request, progress, &mut |path, regions| {
        let (image, size, dim) = (regions.image.clone(), regions.size, regions.dim);
        let block = regions.block(path)?;
        let rows = block.features.chunks(dim);
        show(Listed {
            image,
            file: path.to_owned(),
            width: size.map(|[width, _]| width),
            height: size.map(|[_, height]| height),
            regions: block.rows,
            channels: dim,
            boxes: block.boxes.as_chunks::<6>().0.to_vec(),
            features_row_0: rows.clone().next().unwrap_or_default().to_vec(),
            features_last_row: rows.last().unwrap_or_default().to_vec(),
            features_sum: block.features.iter().map(|number| f64::from(*number)).sum(),
        });
        Ok(())
    })
}

/// Reads every image.
fn each(
    sources: &Sources,
    request: &FeatureRequest,
    progress: &dyn Fn(Progress),
    sink: &mut Sink<'_>,
) -> Result<FeatureFormat, ImportError> {
    let meter = AtomicU64::new(0);
    let tell = || {
        let done = meter.load(Ordering::Relaxed).min(sources.bytes);
        progress(Progress {
            done,
            total: sources.bytes,
        });
    };
    let (mut images, mut square, mut dim) = (0_usize, 0, None);
    let mut channels = None;
    let mut sink = |path: &Path, regions: Regions| {
        images += 1;
        let expected = *channels.get_or_insert(regions.dim);
        if regions.dim != expected {
            return Err(ImportError::content(
                path,
                regions.place,
                format!(
                    "image `{}`: its regions have {} features, and those before have {expected}",
                    regions.image, regions.dim
                ),
                "import features of one detector; if the file was cut, download it again",
            ));
        }
        square += usize::from(
            regions
                .size
                .is_some_and(|[width, height]| (width - height).abs() < 0.5),
        );
        sink(path, regions)?;
        tell();
        Ok(())
    };
    let mut format = request.format.unwrap_or(sources.kind.format());
    for path in &sources.files {
        match sources.kind {
            Kind::Tsv(columns) => tsv::read(path, columns, &meter, &mut sink)?,
            Kind::Hdf5 => {
                let found = hdf5::read(path, &sources.indexes, &meter, &mut sink)?;
                if request.format.is_some_and(|asked| asked != found) {
                    return Err(ImportError::content(
                        path,
                        Place::File,
                        format!("its layout is {found}"),
                        "leave `--format` out: layouts are recognised by their content",
                    ));
                }
                format = found;
            }
            Kind::Npz => npz::read(path, format, &mut dim, &mut sink)?,
            Kind::Npy => mmf::read_files(path, &mut sink)?,
            Kind::Lmdb => mmf::read_lmdb(path, &meter, &mut sink)?,
            Kind::Safetensors => stored::read_safetensors(path, &mut sink)?,
            Kind::Regions => stored::read_store(path, &meter, &mut sink)?,
        }
        if matches!(sources.kind, Kind::Npz | Kind::Npy | Kind::Safetensors) {
            let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
            meter.fetch_add(bytes, Ordering::Relaxed);
        }
    }
    let of_mmf = matches!(sources.kind, Kind::Npy | Kind::Lmdb);
    if of_mmf && images > 0 && square == images && !request.square {
        return Err(ImportError::choice(
            format!(
                "`{}` has {}, all square: MMF writes the width as the height when it extracts files from an LMDB, and \
                 boxes would be wrong",
                request.sources[0].display(),
                counted(images, "image", "images")
            ),
            "correct `image_height` in the files; if the images are square, say so with `--square-images`",
        ));
    }
    Ok(format)
}

/// The file to write.
fn target(request: &FeatureRequest, sources: &Sources) -> Result<PathBuf, ImportError> {
    if request
        .to
        .extension()
        .is_some_and(|ending| ending == ENDING)
        && !request.to.is_dir()
    {
        return std::path::absolute(&request.to).map_err(ImportError::io(&request.to));
    }
    let name = match &request.name {
        Some(name) => name.clone(),
        None => default_name(&request.sources[0], sources),
    };
    let plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\']);
    if !plain {
        return Err(ImportError::choice(
            format!("`{name}` cannot be the name of a file in `features`"),
            "give a name such as `--name train`",
        ));
    }
    let file = format!(
        "{}.{ENDING}",
        name.strip_suffix(".regions").unwrap_or(&name)
    );
    Ok(request.to.join("features").join(file))
}

/// The name of a file or folder without what says its container.
fn default_name(source: &Path, sources: &Sources) -> String {
    let source = std::path::absolute(source).unwrap_or_else(|_| source.to_owned());
    let source = match sources.kind {
        Kind::Lmdb if source.file_name().is_some_and(|name| name == "data.mdb") => {
            source.parent().map_or(source.clone(), Path::to_owned)
        }
        _ => source,
    };
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    let mut name: &str = &name;
    let endings = [
        "tsv",
        "npz",
        "npy",
        "hdf5",
        "h5",
        "lmdb",
        "safetensors",
        ENDING,
        "jpg",
    ];
    while let Some((stem, ending)) = name.rsplit_once('.') {
        if stem.is_empty() || !(endings.contains(&ending) || ending.parse::<u32>().is_ok()) {
            break;
        }
        name = stem;
    }
    name.to_owned()
}

fn checksum(block: &Block) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    for number in block.features.iter().chain(&block.boxes) {
        sum.update(&number.to_le_bytes());
    }
    sum.finalize()
}
