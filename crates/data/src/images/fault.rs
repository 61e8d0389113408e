//! What makes a file or a folder of images unusable.

/// Why images cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// A file that does not start as an IDX file of bytes does.
    #[error("not an IDX file of bytes: it starts with {found:02x?}, not with 00 00 08 and 1 to 4 sizes")]
    NotIdx {
        /// Its first four bytes.
        found: [u8; 4],
    },
    /// An IDX file that announces more than is read.
    #[error("sizes {sizes:?} make more than {limit} bytes")]
    TooLarge {
        /// The sizes it announces.
        sizes: Vec<usize>,
        /// The most that is read.
        limit: usize,
    },
    /// An IDX file that holds more or fewer bytes than it announces.
    #[error("sizes {sizes:?} announce {expected} bytes; found {found}")]
    Length {
        /// The sizes it announces.
        sizes: Vec<usize>,
        /// Their product.
        expected: usize,
        /// How many there are: a lower bound where there are more than announced.
        found: usize,
    },
    /// Images and labels that do not belong together.
    #[error("{expected} expected; found sizes {found:?}")]
    Sizes {
        /// What was expected, in words.
        expected: String,
        /// The sizes it has.
        found: Vec<usize>,
    },
    /// A file that is no PNG or JPEG, or is damaged.
    #[error("not an image that can be read: {reason}")]
    Unreadable {
        /// Why.
        reason: String,
    },
    /// Images with different colours.
    #[error("{found} colours; those before it have {expected}")]
    Channels {
        /// Colours of the others.
        expected: usize,
        /// Its own.
        found: usize,
    },
    /// Images with different sizes that are not cut to one.
    #[error("{found:?} pixels high and wide; those before it are {expected:?}")]
    Unequal {
        /// Height and width of the others.
        expected: [usize; 2],
        /// Its own.
        found: [usize; 2],
    },
    /// An image that is smaller than what is to be cut out of it.
    #[error("{found:?} pixels high and wide; {wanted:?} are to be cut out")]
    Small {
        /// Height and width of the image.
        found: [usize; 2],
        /// Height and width of the cut.
        wanted: [usize; 2],
    },
    /// An image that would grow beyond what is made.
    #[error("resized it would be {height} by {width} pixels; {limit} pixels are the most that is made")]
    Large {
        /// Height that it would get.
        height: u64,
        /// Width that it would get.
        width: u64,
        /// The most pixels.
        limit: u64,
    },
    /// Means or deviations that do not fit the colours, or a deviation that divides by nothing.
    #[error("images of {channels} colours cannot be standardised by {mean:?} and {deviation:?}")]
    Standard {
        /// Colours of the images.
        channels: usize,
        /// The means, in words.
        mean: String,
        /// The deviations, in words.
        deviation: String,
    },
    /// A network that looks at another number of colours than images have.
    #[error("the network looks at {found} colours; images have 1 or 3")]
    Colours {
        /// Its colours.
        found: usize,
    },
    /// A key of `preprocessor_config.json` that asks for what is not done here.
    #[error("`{key}` should be {expected}")]
    Preprocessor {
        /// The key.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A file of images whose labels are not beside it.
    #[error("where the labels of these images are is not told by the file's name")]
    NoLabels,
    /// A class that the network does not know.
    #[error("`{class}` is none of the network's classes: {known}")]
    Unknown {
        /// The class.
        class: String,
        /// Those that it knows.
        known: String,
    },
    /// A folder without folders of classes.
    #[error("no folder with images in it: every class needs one of its own")]
    NoClass,
    /// A folder whose images are all of one class.
    #[error("all images are of the class `{class}`; there is nothing to tell apart")]
    OneClass {
        /// The class.
        class: String,
    },
    /// A class without images.
    #[error("no PNG or JPEG in it")]
    NoImages,
}

impl Fault {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotIdx { .. } | Self::Length { .. } => "the file is damaged: fetch it again",
            Self::Sizes { .. } => "images and labels come in pairs: fetch both files again",
            Self::Unreadable { .. } => {
                "open it in another program and save it again, or take it out of the folder"
            }
            Self::Channels { .. } => "convert all images to grey or all to colour",
            Self::Unequal { .. } => {
                "make them one size, or have it done: `{\"size\": {\"height\": 32, \"width\": 32}}` and so on in \
                 `preprocessor_config.json` beside the weights"
            }
            Self::Small { .. } => "resize the images first, or cut less out",
            Self::Large { .. } => "resize to less, or cut the long image first",
            Self::Standard { .. } => "give one mean and one deviation above 0 for every colour",
            Self::NoClass | Self::OneClass { .. } => "sort the images into a folder for each class",
            Self::NoImages => "put images into the folder, or remove it",
            Self::Preprocessor { .. } => {
                "prepare the images with another program, and describe them as they are then"
            }
            Self::NoLabels => {
                "name the files as those of MNIST: `…images-idx3-ubyte` and `…labels-idx1-ubyte`, or with `.gz` behind"
            }
            Self::Unknown { .. } => "rename the folder of the class, or train a head for these classes",
            Self::Colours { .. } | Self::TooLarge { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
