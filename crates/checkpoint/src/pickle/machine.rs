//! The stack machine of Python's pickles, without the part that runs code.
//!
//! It knows the instructions that `torch.save` writes under protocols 2 to 5. A call makes one of the objects of
//! `objects.rs` or is an error; state that is set on an object is dropped.

use super::Fault;
use super::cursor::Cursor;
use super::objects::{Global, Objects, Value};
use std::collections::HashMap;

/// A tensor takes about thirty: these are enough for sixty thousand of them.
const OPERATIONS: usize = 1 << 21;

/// What one pickle said.
#[derive(Debug)]
pub(super) struct Pickled<'a> {
    pub value: Value<'a>,
    pub objects: Objects<'a>,
    /// The byte after it.
    pub end: usize,
}

/// Reads the pickle that starts at byte `at`.
pub(super) fn unpickle(bytes: &[u8], at: usize) -> Result<Pickled<'_>, Fault> {
    let mut machine = Machine {
        cursor: Cursor::new(bytes, at),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        objects: Objects::default(),
    };
    for _ in 0..OPERATIONS {
        let at = machine.cursor.position();
        let [code] = machine.cursor.array::<1>()?;
        if code == b'.' {
            let value = machine.pop()?;
            return Ok(Pickled { value, objects: machine.objects, end: at + 1 });
        }
        machine.step(code, at)?;
    }
    Err(Fault::Operations { limit: OPERATIONS })
}

struct Machine<'a> {
    cursor: Cursor<'a>,
    stack: Vec<Value<'a>>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<usize, Value<'a>>,
    objects: Objects<'a>,
}

impl<'a> Machine<'a> {
    /// The instruction `code`, which stands at byte `at`.
    fn step(&mut self, code: u8, at: usize) -> Result<(), Fault> {
        match code {
            // The protocol, and the length of a frame, which says nothing that the instructions do not.
            0x80 => {
                self.cursor.take(1)?;
            }
            0x95 => {
                self.cursor.take(8)?;
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Bool(true)),
            0x89 => self.stack.push(Value::Bool(false)),
            b'K' => self.integer(1)?,
            b'M' => self.integer(2)?,
            b'J' => {
                let number = i32::from_le_bytes(self.cursor.array()?);
                self.stack.push(Value::Int(number.into()));
            }
            0x8a => {
                let number = long(self.cursor.counted(1)?);
                self.stack.push(number);
            }
            b'G' => {
                self.cursor.take(8)?;
                self.stack.push(Value::Other);
            }
            // Text of Python 3, then bytes, which were the text of Python 2.
            0x8c | b'U' | b'C' => self.text(1)?,
            b'X' | b'T' | b'B' => self.text(4)?,
            0x8d | 0x8e => self.text(8)?,
            b'}' => {
                let dict = self.objects.dict();
                self.stack.push(dict);
            }
            b']' => {
                let list = self.objects.sequence(Vec::new());
                self.stack.push(Value::List(list));
            }
            b')' => self.tuple(Vec::new()),
            b't' => {
                let items = self.marked()?;
                self.tuple(items);
            }
            0x85..=0x87 => {
                let items = self.last(usize::from(code - 0x84))?;
                self.tuple(items);
            }
            b'a' => {
                let items = self.last(1)?;
                self.append(items)?;
            }
            b'e' => {
                let items = self.marked()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.last(2)?;
                self.set(&items)?;
            }
            b'u' => {
                let items = self.marked()?;
                self.set(&items)?;
            }
            b'q' => self.put(1)?,
            b'r' => self.put(4)?,
            0x94 => {
                let (place, value) = (self.memo.len(), self.top()?);
                self.memo.insert(place, value);
            }
            b'h' => self.get(1)?,
            b'j' => self.get(4)?,
            b'c' => {
                let (module, name) = (self.cursor.line()?, self.cursor.line()?);
                self.stack.push(Value::Global(Global::named(module, name)?));
            }
            0x93 => self.global()?,
            b'R' | 0x81 => self.call()?,
            b'b' => {
                self.pop()?;
                self.top()?;
            }
            b'Q' => self.storage()?,
            _ => return Err(Fault::Opcode { code, at }),
        }
        Ok(())
    }

    fn damaged(&self, reason: &'static str) -> Fault {
        Fault::Damaged { reason, at: self.cursor.position() }
    }

    fn pop(&mut self) -> Result<Value<'a>, Fault> {
        self.stack.pop().ok_or_else(|| self.damaged("the stack is empty"))
    }

    fn push(&mut self, value: Option<Value<'a>>, otherwise: &'static str) -> Result<(), Fault> {
        let value = value.ok_or_else(|| self.damaged(otherwise))?;
        self.stack.push(value);
        Ok(())
    }

    fn top(&self) -> Result<Value<'a>, Fault> {
        self.stack.last().copied().ok_or_else(|| self.damaged("the stack is empty"))
    }

    fn last(&mut self, count: usize) -> Result<Vec<Value<'a>>, Fault> {
        let from = self.stack.len().checked_sub(count);
        let from = from.ok_or_else(|| self.damaged("the stack is empty"))?;
        Ok(self.stack.split_off(from))
    }

    /// Everything above the last mark.
    fn marked(&mut self) -> Result<Vec<Value<'a>>, Fault> {
        let mark = self.marks.pop().filter(|&mark| mark <= self.stack.len());
        let mark = mark.ok_or_else(|| self.damaged("a mark is missing"))?;
        Ok(self.stack.split_off(mark))
    }

    fn integer(&mut self, width: usize) -> Result<(), Fault> {
        let number = self.cursor.number(width)?;
        self.stack.push(Value::Int(number as i64));
        Ok(())
    }

    fn text(&mut self, width: usize) -> Result<(), Fault> {
        let text = str::from_utf8(self.cursor.counted(width)?);
        self.stack.push(text.map_or(Value::Other, Value::Text));
        Ok(())
    }

    fn tuple(&mut self, items: Vec<Value<'a>>) {
        let tuple = self.objects.sequence(items);
        self.stack.push(Value::Tuple(tuple));
    }

    fn append(&mut self, items: Vec<Value<'a>>) -> Result<(), Fault> {
        match self.top()? {
            Value::List(list) => self.objects.sequences[list].extend(items),
            _ => return Err(self.damaged("something is appended to what is no list")),
        }
        Ok(())
    }

    fn set(&mut self, items: &[Value<'a>]) -> Result<(), Fault> {
        match (self.top()?, items.as_chunks::<2>()) {
            (Value::Dict(dict), (pairs, [])) => {
                self.objects.dicts[dict].extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => Err(self.damaged("pairs are set in what is no dictionary")),
        }
    }

    fn put(&mut self, width: usize) -> Result<(), Fault> {
        let (place, value) = (self.cursor.number(width)?, self.top()?);
        self.memo.insert(place, value);
        Ok(())
    }

    fn get(&mut self, width: usize) -> Result<(), Fault> {
        let place = self.cursor.number(width)?;
        let kept = self.memo.get(&place).copied();
        self.push(kept, "something is recalled that was not kept")
    }

    fn global(&mut self) -> Result<(), Fault> {
        match self.last(2)?.as_slice() {
            &[Value::Text(module), Value::Text(name)] => {
                self.stack.push(Value::Global(Global::named(module, name)?));
                Ok(())
            }
            _ => Err(self.damaged("a name is not text")),
        }
    }

    fn call(&mut self) -> Result<(), Fault> {
        let made = match self.last(2)?.as_slice() {
            &[Value::Global(global), Value::Tuple(arguments)] => self.objects.called(global, arguments),
            _ => None,
        };
        self.push(made, "a call has arguments that torch does not write")
    }

    fn storage(&mut self) -> Result<(), Fault> {
        let stored = match self.pop()? {
            Value::Tuple(identifier) => self.objects.stored(identifier)?,
            _ => None,
        };
        self.push(stored, "a reference to no storage")
    }
}

/// A whole number as two's complement, little-endian, in as few bytes as it takes.
fn long(bytes: &[u8]) -> Value<'_> {
    if bytes.len() > 8 {
        return Value::Long(bytes);
    }
    let negative = bytes.last().is_some_and(|&byte| byte >= 0x80);
    let mut wide = [if negative { 0xff } else { 0 }; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(wide))
}
