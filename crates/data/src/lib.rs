//! Text in, batches out: tokenizers, chat templates, readers, packing.
