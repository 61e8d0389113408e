//! What the targets have in common.

use rankine_checkpoint::{TensorInfo, Tensors};
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

/// Larger tensors are not read: the fuzzer should spend its time on headers.
const MOST_ELEMENTS: usize = 1 << 18;

/// Reads every tensor in both ways and checks that they agree with what the container says of them.
pub fn read_all(tensors: &dyn Tensors) {
    for (name, info) in tensors.infos() {
        if let Ok(raw) = tensors.raw(name) {
            assert_eq!(raw.len() as u64, info.bytes);
        }
        if info.elements() <= MOST_ELEMENTS {
            let mut out = vec![0.0; info.elements()];
            tensors.read_into(name, &mut out).expect("an open container gives its tensors");
            read_half(tensors, name, info, &out);
        }
    }
}

/// The second half of the rows is the same read alone.
fn read_half(tensors: &dyn Tensors, name: &str, info: &TensorInfo, whole: &[f32]) {
    let rows = info.rows() / 2..info.rows();
    let expected = &whole[rows.start * info.row_elements()..];
    let mut half = vec![0.0; expected.len()];
    tensors.read_rows(name, rows.clone(), &mut half).expect("an open container gives its rows");
    assert!(half.iter().zip(expected).all(|(a, b)| a.to_bits() == b.to_bits()));
    tensors.release(name, rows);
}

/// One folder for the whole process.
pub fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER.get_or_init(|| TempDir::new().expect("a temporary folder")).path()
}

/// Puts a file into [`folder`].
pub fn write(name: &str, bytes: &[u8]) {
    std::fs::write(folder().join(name), bytes).expect("a file in the temporary folder");
}

/// A safetensors file with one f32 tensor of two numbers.
pub fn small_safetensors(tensor: &str) -> Vec<u8> {
    let header = format!(r#"{{"{tensor}":{{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 8]].concat()
}
