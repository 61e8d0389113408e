//! Model files: safetensors, GGUF, config.json, peft adapter folders.
