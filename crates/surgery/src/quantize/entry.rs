//! A tensor on its way into a GGUF file, a block of rows at a time.

use crate::merged::{Merged, Squares, row_blocks};
use crate::{Error, Result};
use half::{bf16, f16};
use rankine_checkpoint::gguf::{Gguf, Layout, decode_into};
use rankine_checkpoint::writer::TensorsWriter;
use rankine_checkpoint::{Dtype, Error as FileError, Tensors};
use rankine_kernels::dequantize::{Format, dequantize};
use rankine_kernels::{quantize::quantize, reduce};
use std::ops::Range;

/// A tensor of the file.
pub(super) struct Entry<'a> {
    pub name: String,
    pub shape: Vec<usize>,
    /// The type that it had.
    pub from: Dtype,
    /// The type that it gets.
    pub to: Dtype,
    /// The type that it would get, if its rows divided into blocks of it.
    pub instead_of: Option<Dtype>,
    rows: Rows<'a>,
}

/// Where the rows of a tensor come from.
pub(super) enum Rows<'a> {
    /// A GGUF file, as they stand there.
    Stored {
        gguf: &'a Gguf,
        /// Its name outside of the file.
        outside: String,
        bytes: &'a [u8],
    },
    /// A model whose files have other names, and query and key rows in another order.
    Named {
        tensors: &'a dyn Tensors,
        name: String,
        layout: Layout,
        /// Rows that are put in order together.
        step: usize,
    },
    /// A model of such names with an adapter merged into it; the bytes of rows that it does not move stay.
    Merged { merged: &'a Merged<'a>, name: String, layout: Layout, step: usize, stored: Option<&'a [u8]> },
    /// Here.
    Given(Vec<f32>),
}

/// What a thread writes into again and again.
#[derive(Default)]
pub(super) struct Buffers {
    values: Vec<f32>,
    bytes: Vec<u8>,
    back: Vec<f32>,
}

impl<'a> Entry<'a> {
    pub fn new(name: &str, shape: &[usize], [from, to]: [Dtype; 2], rows: Rows<'a>) -> Self {
        Self { name: name.to_owned(), shape: shape.to_vec(), from, to, instead_of: None, rows }
    }

    /// Whether an adapter changed it.
    pub fn is_merged(&self) -> bool {
        matches!(self.rows, Rows::Merged { .. })
    }

    /// Bytes in this type.
    pub fn bytes(&self, dtype: Dtype) -> u64 {
        dtype.bytes(self.shape.iter().product()) as u64
    }

    /// Rows that are made at a time. A vector is one row, whatever its blocks.
    pub fn blocks(&self) -> Vec<Range<usize>> {
        let (height, width) = self.sides();
        let step = match &self.rows {
            Rows::Named { step, .. } | Rows::Merged { step, .. } if 1 < height => *step,
            _ => 1,
        };
        let blocks = row_blocks(height / step, width * step).into_iter();
        blocks.map(|rows| rows.start * step..rows.end * step).collect()
    }

    /// Bytes of some rows in the file.
    pub fn block_bytes(&self, rows: &Range<usize>) -> u64 {
        self.places(self.to, rows).len() as u64
    }

    /// Makes and writes some rows; how far they are from what was to be stored, where that was measured.
    pub fn write(
        &self,
        rows: &Range<usize>,
        writer: &TensorsWriter,
        buffers: &mut Buffers,
    ) -> Result<Option<Squares>> {
        let (name, places) = (self.name.as_str(), self.places(self.to, rows));
        if let Rows::Stored { bytes, .. } = &self.rows
            && self.from == self.to
        {
            writer.write_raw_part(name, places.start, part(name, bytes, &places)?)?;
            self.release(rows);
            return Ok(None);
        }
        let Buffers { values, bytes, back } = buffers;
        values.clear();
        values.resize(rows.len() * self.sides().1, 0.0);
        let kept = self.read(rows, values)?;
        self.release(rows);
        let before = reduce::sum_of_squares(values);
        if let Some(kept) = kept {
            writer.write_raw_part(name, places.start, part(name, kept, &places)?)?;
            return Ok(Some(Squares { before, moved: 0.0 }));
        }
        back.clear();
        match self.to {
            Dtype::Quantized(format) => {
                self.encode(format, values, bytes, back)?;
                writer.write_raw_part(name, places.start, bytes)?;
            }
            plain => {
                writer.write_part(name, rows.start * self.sides().1, values)?;
                match plain {
                    Dtype::F16 => back.extend(values.iter().map(|&x| f16::from_f32(x).to_f32())),
                    Dtype::Bf16 => back.extend(values.iter().map(|&x| bf16::from_f32(x).to_f32())),
                    _ => return Ok(Some(Squares { before, moved: 0.0 })),
                }
            }
        }
        reduce::axpy(-1.0, values, back);
        let moved = reduce::sum_of_squares(back);
        match self.to {
            Dtype::Quantized(format) if !moved.is_finite() => {
                Err(Error::Unencodable { name: name.to_owned(), format: format.name() })
            }
            _ => Ok(Some(Squares { before, moved })),
        }
    }

    /// Blocks of the numbers, and what comes out of them again.
    fn encode(&self, format: Format, values: &[f32], bytes: &mut Vec<u8>, back: &mut Vec<f32>) -> Result<()> {
        bytes.clear();
        bytes.resize(self.to.bytes(values.len()), 0);
        back.resize(values.len(), 0.0);
        let wrong = |_| wrong_length(&self.name, values.len());
        quantize(format, values, bytes).map_err(wrong)?;
        dequantize(format, bytes, back).map_err(wrong)?;
        Ok(())
    }

    /// The numbers of some rows, in the file's order; the stored bytes of the whole tensor, where these rows are those.
    fn read(&self, rows: &Range<usize>, out: &mut Vec<f32>) -> Result<Option<&'a [u8]>> {
        match &self.rows {
            Rows::Stored { bytes, .. } => {
                let stored = part(&self.name, bytes, &self.places(self.from, rows))?;
                decode_into(&self.name, self.from, stored, out)?;
                Ok(None)
            }
            Rows::Named { tensors, name, layout, step } => {
                let rows = self.true_rows(rows);
                tensors.read_rows(name, rows.clone(), out)?;
                layout.reorder(out, rows.len(), *step);
                Ok(None)
            }
            Rows::Merged { merged, name, layout, step, stored } => {
                let rows = self.true_rows(rows);
                let squares = merged.measured_rows(name, rows.clone(), out)?;
                layout.reorder(out, rows.len(), *step);
                Ok(stored.filter(|_| squares.moved == 0.0))
            }
            Rows::Given(values) => {
                out.copy_from_slice(values.get(self.true_rows(rows)).unwrap_or_default());
                Ok(None)
            }
        }
    }

    fn release(&self, rows: &Range<usize>) {
        let rows = self.true_rows(rows);
        match &self.rows {
            Rows::Stored { gguf, outside, .. } => gguf.release(outside, rows),
            Rows::Named { tensors, name, .. } => tensors.release(name, rows),
            Rows::Merged { merged, name, .. } => merged.release(name, rows),
            Rows::Given(_) => {}
        }
    }

    /// Rows, and numbers in a row; of a vector 1 and all of them.
    fn sides(&self) -> (usize, usize) {
        match *self.shape {
            [height, _, ..] => (height, self.shape[1..].iter().product()),
            _ => (1, self.shape.iter().product()),
        }
    }

    /// Rows as readers count them, to which every number of a vector is one.
    fn true_rows(&self, rows: &Range<usize>) -> Range<usize> {
        match *self.shape {
            [length] => 0..length,
            _ => rows.clone(),
        }
    }

    /// Where some rows lie in the tensor, in this type.
    fn places(&self, dtype: Dtype, rows: &Range<usize>) -> Range<usize> {
        let width = self.sides().1;
        dtype.bytes(rows.start * width)..dtype.bytes(rows.end * width)
    }
}

/// Bytes of a tensor from its file.
fn part<'b>(name: &str, bytes: &'b [u8], places: &Range<usize>) -> Result<&'b [u8]> {
    bytes.get(places.clone()).ok_or_else(|| wrong_length(name, places.len()))
}

fn wrong_length(name: &str, expected: usize) -> Error {
    FileError::Length { name: name.to_owned(), expected, found: 0 }.into()
}
