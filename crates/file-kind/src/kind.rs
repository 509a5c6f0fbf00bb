use std::fmt;

/// What a file is, as far as its first bytes tell.
///
/// [`Display`](fmt::Display) gives a noun with its article, `a Git LFS pointer`, that completes "the file is ...".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FileKind {
    /// No bytes at all.
    Empty,
    /// Nothing but bytes of zero, as far as was looked.
    Zeros,
    /// The text file that Git LFS checks out where it has not fetched the content.
    GitLfsPointer,
    /// A page for a browser.
    Html,
    /// JSON, such as a server's answer.
    Json,
    /// JSON that says in which files of safetensors or PyTorch each weight lies.
    WeightIndex,
    /// XML but not SVG.
    Xml,
    /// Any other text.
    Text,
    /// What macOS puts beside a file, under the name `._NAME`.
    AppleDouble,
    /// Compressed with gzip.
    Gzip,
    /// Compressed with bzip2.
    Bzip2,
    /// Compressed with xz.
    Xz,
    /// Compressed with Zstandard.
    Zstd,
    /// Compressed with LZ4.
    Lz4,
    /// A ZIP archive; PyTorch's checkpoints since 1.6 are ZIP archives.
    Zip,
    /// A 7-Zip archive.
    SevenZip,
    /// A RAR archive.
    Rar,
    /// A TAR archive.
    Tar,
    /// A checkpoint of PyTorch before 0.1.10, which is a TAR archive.
    TorchTar,
    /// A checkpoint of PyTorch before 1.6, which is a sequence of pickles.
    TorchLegacy,
    /// A pickle of Python's.
    Pickle,
    /// Tensors in the form safetensors.
    Safetensors,
    /// An array of `NumPy`'s.
    NumPy,
    /// HDF5, the form of Keras weights.
    Hdf5,
    /// GGUF, the form of llama.cpp.
    Gguf,
    /// A table in the form Parquet.
    Parquet,
    /// A database of `SQLite`.
    Sqlite,
    /// A PDF document.
    Pdf,
    /// A JPEG image.
    Jpeg,
    /// A PNG image.
    Png,
    /// A WebP image.
    WebP,
    /// A GIF image.
    Gif,
    /// A BMP image.
    Bmp,
    /// A TIFF image.
    Tiff,
    /// A TIFF image of more than 4 GiB.
    BigTiff,
    /// An AVIF image.
    Avif,
    /// An HEIC or HEIF image.
    Heic,
    /// A JPEG 2000 image.
    Jpeg2000,
    /// A JPEG XL image.
    JpegXl,
    /// A JPEG XR image.
    JpegXr,
    /// An image of Photoshop's.
    Psd,
    /// An icon of Windows.
    Ico,
    /// A PBM, PGM, PPM or PAM image.
    Pnm,
    /// A drawing in the form SVG.
    Svg,
    /// A film: MP4, `QuickTime`, Matroska or AVI.
    Video,
    /// None of these.
    Unknown,
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "an empty file",
            Self::Zeros => "a file of zeros, as a full disk or an interrupted copy leaves",
            Self::GitLfsPointer => "a Git LFS pointer",
            Self::Html => "an HTML page, most likely a failed download",
            Self::Json => "JSON, most likely the error message of a server",
            Self::WeightIndex => {
                "an index of weights (`*.index.json` of safetensors or PyTorch), which names their files and has none itself"
            }
            Self::Xml => "XML, most likely the error message of a server",
            Self::Text => "a text file",
            Self::AppleDouble => "an AppleDouble file, which macOS puts beside a file",
            Self::Gzip => "a file compressed with gzip",
            Self::Bzip2 => "a file compressed with bzip2",
            Self::Xz => "a file compressed with xz",
            Self::Zstd => "a file compressed with Zstandard",
            Self::Lz4 => "a file compressed with LZ4",
            Self::Zip => "a ZIP archive",
            Self::SevenZip => "a 7-Zip archive",
            Self::Rar => "a RAR archive",
            Self::Tar => "a TAR archive",
            Self::TorchTar => {
                "a checkpoint in the TAR form of PyTorch before 0.1.10, which is not read"
            }
            Self::TorchLegacy => "a checkpoint in the form of PyTorch before 1.6",
            Self::Pickle => "a Python pickle",
            Self::Safetensors => "a safetensors file",
            Self::NumPy => "a NumPy array",
            Self::Hdf5 => "an HDF5 file",
            Self::Gguf => "a GGUF file",
            Self::Parquet => "a Parquet table",
            Self::Sqlite => "an SQLite database",
            Self::Pdf => "a PDF document",
            Self::Jpeg => "a JPEG image",
            Self::Png => "a PNG image",
            Self::WebP => "a WebP (WEBP) image",
            Self::Gif => "a GIF image",
            Self::Bmp => "a BMP image",
            Self::Tiff => "a TIFF image",
            Self::BigTiff => "a BigTIFF image",
            Self::Avif => "an AVIF image",
            Self::Heic => "an HEIC (HEIF) image",
            Self::Jpeg2000 => "a JPEG 2000 (JPEG2000) image",
            Self::JpegXl => "a JPEG XL image",
            Self::JpegXr => "a JPEG XR image",
            Self::Psd => "a Photoshop image",
            Self::Ico => "a Windows icon",
            Self::Pnm => "a PNM (PBM, PGM, PPM) image",
            Self::Svg => "an SVG drawing",
            Self::Video => "a video",
            Self::Unknown => "a file of unknown form",
        })
    }
}

impl FileKind {
    /// What gets the file that was meant, as an instruction without a full stop: "`git lfs pull` gets the file".
    ///
    /// `None` where it depends on the reader: a PNG image among the weights is a slip, a PNG image among images none.
    pub fn cure(self) -> Option<&'static str> {
        Some(match self {
            Self::Empty | Self::Zeros => "copy or download the file again",
            Self::GitLfsPointer => "`git lfs pull` gets the file",
            Self::Html => "download the file again",
            Self::Json | Self::Xml => "read the message, then download the file again",
            Self::WeightIndex => "name a file of weights that its `weight_map` names",
            Self::AppleDouble => "delete the files whose names begin with `._`",
            Self::Gzip => "unpack it with `gunzip`",
            Self::Bzip2 => "unpack it with `bunzip2`",
            Self::Xz => "unpack it with `unxz`",
            Self::Zstd => "unpack it with `unzstd`",
            Self::Lz4 => "unpack it with `unlz4`",
            Self::Zip | Self::SevenZip | Self::Rar | Self::Tar => "unpack the archive",
            Self::TorchTar => {
                "load it with `torch.load` and save it again with `torch.save`, in Python"
            }
            _ => return None,
        })
    }

    /// Whether it takes the place of a file, whatever that was: what stands for it, holds it packed, or is left where its
    /// content is lost. No text begins so.
    pub fn replaces_file(self) -> bool {
        matches!(
            self,
            Self::Zeros
                | Self::GitLfsPointer
                | Self::Html
                | Self::AppleDouble
                | Self::Gzip
                | Self::Bzip2
                | Self::Xz
                | Self::Zstd
                | Self::Lz4
                | Self::Zip
                | Self::SevenZip
                | Self::Rar
                | Self::Tar
        )
    }

    /// Whether it is an image of pixels, readable here or not.
    pub fn is_image(self) -> bool {
        matches!(
            self,
            Self::Jpeg
                | Self::Png
                | Self::WebP
                | Self::Gif
                | Self::Bmp
                | Self::Tiff
                | Self::BigTiff
                | Self::Avif
                | Self::Heic
                | Self::Jpeg2000
                | Self::JpegXl
                | Self::JpegXr
                | Self::Psd
                | Self::Ico
                | Self::Pnm
        )
    }
}
