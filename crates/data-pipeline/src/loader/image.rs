use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::augment::{Augmentation, View};
use crate::batch::Batch;
use crate::check::{Use, message_of};
use crate::encoder::Encoder;
use crate::error::DataError;
use crate::image::{ImageError, PixelView, RgbImage};
use crate::inputs::{BOX_SIZE, RegionShape, Regions};
use crate::source::Source;

/// What is made of a decoded image.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// `[image_size, image_size, 3]`, whole.
    Resized,
    /// As it is stored, for a crop to be taken of it later.
    Stored,
    /// `[image_size, image_size, 3]`, a random view.
    Varied(Augmentation, View),
}

/// What a batch carries of an image, as it is kept in memory; a clone shares it.
#[derive(Clone)]
pub(super) struct LoadedImage {
    pixels: Option<Pixels>,
    regions: Option<Arc<Regions>>,
    statistical_words: Option<Arc<[u32]>>,
}

impl LoadedImage {
    /// Reads what the encoder's inputs ask for, but for encoded bytes that are at hand. A panic in the source or a decoder
    /// becomes an error, as one damaged file must not take a worker with it.
    pub(super) fn load(
        source: &dyn Source,
        encoder: &Encoder,
        image: usize,
        encoded: Option<&[u8]>,
        compress: bool,
        form: Form,
    ) -> Result<Self, DataError> {
        let load = || {
            let inputs = &encoder.inputs;
            let pixels = inputs
                .images
                .then(|| pixels(source, encoder, image, encoded, form));
            let regions = inputs.regions.map(|_| regions(source, encoder, image));
            let words = || encoder.vocabulary.tokens(source.statistical_words(image));
            Ok(Self {
                pixels: pixels.transpose()?.map(|p| Pixels::keep(p, compress)),
                regions: regions.transpose()?.map(Arc::new),
                statistical_words: inputs.statistical_words.map(|_| words().into()),
            })
        };
        catch_unwind(AssertUnwindSafe(load)).unwrap_or_else(|panic| {
            Err(DataError::Panicked {
                image: source.image_name(image),
                message: message_of(panic.as_ref()),
            })
        })
    }

    /// A random view of a kept image.
    ///
    /// # Errors
    /// As [`RgbImage::resize`](crate::RgbImage::resize).
    pub(super) fn varied(
        &self,
        augmentation: &Augmentation,
        view: View,
        side: usize,
        compress: bool,
    ) -> Result<Self, ImageError> {
        let vary = |pixels: &Pixels| {
            let varied = pixels.with_view(|kept| augmentation.apply(kept, side, view))?;
            Ok(Pixels::keep(varied, compress))
        };
        Ok(Self {
            pixels: self.pixels.as_ref().map(vary).transpose()?,
            ..self.clone()
        })
    }

    /// Makes it the batch's next image.
    pub(super) fn append_to(&self, batch: &mut Batch) {
        if let Some(pixels) = &self.pixels {
            pixels.append_to(&mut batch.images);
        }
        if let (Some(all), Some(regions)) = (&mut batch.regions, &self.regions) {
            all.append(regions);
        }
        if let (Some(table), Some(words)) = (&mut batch.statistical_words, &self.statistical_words)
        {
            table.push(words);
        }
    }

    /// Bytes of what it holds.
    pub(super) fn bytes(&self) -> usize {
        let pixels = self.pixels.as_ref().map_or(0, Pixels::bytes);
        let regions = self.regions.as_ref().map_or(0, |regions| regions.bytes());
        let words = self.statistical_words.as_deref().map_or(0, size_of_val);
        pixels + regions + words
    }

    /// Bytes that it takes of memory beside its own size: [`LoadedImage::bytes`], and the counts of what is shared.
    pub(super) fn allocated(&self) -> usize {
        /// The two counts in front of what an `Arc` shares.
        const COUNTS: usize = 2 * size_of::<usize>();
        let counts = |there: bool| usize::from(there) * COUNTS;
        let regions = self.regions.is_some();
        self.bytes()
            + counts(self.pixels.is_some())
            + counts(regions)
            + usize::from(regions) * (size_of::<Regions>() + size_of::<usize>())
            + counts(self.statistical_words.is_some())
    }
}

/// An error about an image, with all the samples that are about it.
pub(super) fn in_use(source: &dyn Source, image: usize, error: DataError) -> DataError {
    DataError::InUse {
        used_by: Use::of_image(source, image).to_string(),
        source: Box::new(error),
    }
}

fn pixels(
    source: &dyn Source,
    encoder: &Encoder,
    image: usize,
    encoded: Option<&[u8]>,
    form: Form,
) -> Result<RgbImage, DataError> {
    let encoded = match encoded {
        Some(bytes) => Cow::Borrowed(bytes),
        None => Cow::Owned(source.encoded_image(image)?),
    };
    let side = encoder.image_size;
    let decoded = RgbImage::decode(&encoded, encoder.exif_orientation).map(|it| it.image);
    let formed = decoded.and_then(|decoded| match form {
        Form::Resized => decoded.resize(side, side),
        Form::Stored => Ok(decoded),
        Form::Varied(augmentation, view) => augmentation.apply(decoded.view(), side, view),
    });
    formed.map_err(|error| DataError::Image {
        image: source.image_name(image),
        source: error,
    })
}

/// # Errors
/// When the source does not give as many numbers as it says, or another shape than the training split has.
fn regions(source: &dyn Source, encoder: &Encoder, image: usize) -> Result<Regions, DataError> {
    let regions = source.regions(image)?;
    let RegionShape {
        regions: count,
        dim,
        ..
    } = regions.shape;
    let whole = regions.counts == [count]
        && regions.features.len() == count * dim
        && regions.boxes.len() == count * BOX_SIZE;
    match encoder.inputs.regions {
        Some(expected) if !whole || !expected.admits(regions.shape) => {
            Err(DataError::RegionShape {
                of: source.regions_name(image),
                expected,
                found: regions.shape,
            })
        }
        _ => Ok(regions),
    }
}

/// The pixels of an image, and how many make a row: as few bytes as without the number.
#[derive(Clone)]
enum Pixels {
    Plain(u32, Arc<[u8]>),
    Lz4(u32, Arc<[u8]>),
}

impl Pixels {
    fn keep(image: RgbImage, compress: bool) -> Self {
        let pixels = image.pixels;
        // A side of an image is a number of 32 bits in every format, and its pixels are limited.
        let width = image.width as u32;
        let block = compress.then(|| lz4_flex::compress_prepend_size(&pixels));
        match block {
            Some(block) if block.len() < pixels.len() => Self::Lz4(width, block.into()),
            _ => Self::Plain(width, pixels.into()),
        }
    }

    /// Hands out the pixels as an image.
    fn with_view<T>(&self, then: impl FnOnce(PixelView<'_>) -> T) -> T {
        let view = |width: u32, pixels| {
            let width = width as usize;
            then(PixelView {
                width,
                height: <[u8]>::len(pixels) / (3 * width.max(1)),
                pixels,
            })
        };
        match self {
            Self::Plain(width, pixels) => view(*width, pixels),
            Self::Lz4(width, block) => view(*width, &decompressed(block)),
        }
    }

    fn append_to(&self, images: &mut Vec<u8>) {
        match self {
            Self::Plain(_, pixels) => images.extend_from_slice(pixels),
            Self::Lz4(_, block) => images.extend(decompressed(block)),
        }
    }

    /// Bytes held in memory.
    fn bytes(&self) -> usize {
        match self {
            Self::Plain(_, bytes) | Self::Lz4(_, bytes) => bytes.len(),
        }
    }
}

fn decompressed(block: &[u8]) -> Vec<u8> {
    lz4_flex::decompress_size_prepended(block).expect("the block was compressed by this process")
}
