//! One page, three faces: terminal, JSON, self-contained HTML; TensorBoard event files.
