//! The stack machine of pickle protocols 2 to 5, which builds a graph and calls nothing.

use std::collections::HashMap;

use super::{Global, Node, NodeId, Span, Value};

/// Why a pickle was not read.
pub(super) enum Stop {
    /// It mentions a name that is not on the list.
    Name(String),
    /// It is damaged, or uses something that pickles of tables do not.
    Malformed { offset: usize, detail: String },
}

/// Builds the graph of `bytes`.
pub(super) fn run(bytes: &[u8]) -> Result<(Vec<Node>, Value), Stop> {
    let mut machine = Machine {
        bytes,
        offset: 0,
        nodes: Vec::new(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        let start = machine.offset;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok((machine.nodes, root)),
            Err(Fault::Name(name)) => return Err(Stop::Name(name)),
            Err(Fault::Detail(detail)) => {
                return Err(Stop::Malformed {
                    offset: start,
                    detail,
                });
            }
        }
    }
}

enum Fault {
    Name(String),
    Detail(String),
}

impl From<&str> for Fault {
    fn from(detail: &str) -> Self {
        Self::Detail(detail.to_owned())
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    offset: usize,
    nodes: Vec<Node>,
    stack: Vec<Value>,
    /// Heights of the stack at which marks lie.
    marks: Vec<usize>,
    memo: HashMap<u64, Value>,
}

const ENDS_EARLY: &str = "the file ends in the middle; it was cut off";

impl Machine<'_> {
    /// One opcode. The root when it was the last one.
    fn step(&mut self) -> Result<Option<Value>, Fault> {
        let opcode = self.take(1)?[0];
        match opcode {
            // Protocol and frames say nothing about the content.
            0x80 => {
                let protocol = self.take(1)?[0];
                if !(2..=5).contains(&protocol) {
                    return Err(Fault::Detail(format!(
                        "protocol {protocol} is not supported, expected 2 to 5"
                    )));
                }
            }
            0x95 => {
                self.take(8)?;
            }
            b'.' => {
                return match self.stack.as_slice() {
                    [root] if self.marks.is_empty() => Ok(Some(*root)),
                    _ => Err("it ends with unused values".into()),
                };
            }
            b'(' => self.marks.push(self.stack.len()),
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.since_mark()?;
            }
            b'N' => self.stack.push(Value::None),
            0x88 => self.stack.push(Value::Truth(true)),
            0x89 => self.stack.push(Value::Truth(false)),
            b'J' => {
                let number = i32::from_le_bytes(self.array()?);
                self.stack.push(Value::Integer(number.into()));
            }
            b'K' => {
                let number = self.length(1)?;
                self.integer(number);
            }
            b'M' => {
                let number = self.length(2)?;
                self.integer(number);
            }
            0x8a => {
                let length = self.length(1)?;
                self.long(length)?;
            }
            0x8b => {
                let length = self.length(4)?;
                self.long(length)?;
            }
            b'G' => {
                let number = f64::from_be_bytes(self.array()?);
                self.stack.push(Value::Number(number));
            }
            0x8c => self.text(1)?,
            b'X' => self.text(4)?,
            0x8d => self.text(8)?,
            b'C' => self.binary(1)?,
            b'B' => self.binary(4)?,
            0x8e | 0x96 => self.binary(8)?,
            b')' | b']' | 0x8f => self.sequence(Vec::new()),
            0x85..=0x87 => {
                let items = self.stack.len().checked_sub(usize::from(opcode - 0x84));
                let items = items
                    .filter(|&at| self.marks.last().is_none_or(|&mark| mark <= at))
                    .ok_or("a tuple has too few items")?;
                let items = self.stack.split_off(items);
                self.sequence(items);
            }
            b't' | b'l' | 0x91 => {
                let items = self.since_mark()?;
                self.sequence(items);
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.extend(items)?;
            }
            b'}' => {
                self.nodes.push(Node::Dictionary(Vec::new()));
                self.push_node();
            }
            b'd' => {
                let items = self.since_mark()?;
                self.nodes.push(Node::Dictionary(Vec::new()));
                self.push_node();
                self.insert(&items)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.insert(&[key, value])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.insert(&items)?;
            }
            b'q' => {
                let key = self.length(1)?;
                self.remember(key as u64)?;
            }
            b'r' => {
                let key = self.length(4)?;
                self.remember(key as u64)?;
            }
            0x94 => self.remember(self.memo.len() as u64)?,
            b'h' => {
                let key = self.length(1)?;
                self.recall(key as u64)?;
            }
            b'j' => {
                let key = self.length(4)?;
                self.recall(key as u64)?;
            }
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                self.global(module, name)?;
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (module, name) = (self.name(module)?, self.name(name)?);
                self.global(module, name)?;
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                let Value::Global(class) = self.pop()? else {
                    return Err("it calls something that is not a name".into());
                };
                self.nodes.push(Node::Object {
                    class,
                    arguments,
                    state: Value::None,
                });
                self.push_node();
            }
            b'b' => {
                let new = self.pop()?;
                match self.top_node()? {
                    Node::Object { state, .. } => *state = new,
                    _ => return Err("it sets the state of something that has none".into()),
                }
            }
            _ => {
                return Err(Fault::Detail(format!(
                    "the opcode 0x{opcode:02x} is not used by pickles of tables"
                )));
            }
        }
        Ok(None)
    }

    fn take(&mut self, length: usize) -> Result<&[u8], Fault> {
        let end = self.offset.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.offset..end));
        let taken = taken.ok_or(ENDS_EARLY)?;
        self.offset += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        self.take(N)?.try_into().map_err(|_| ENDS_EARLY.into())
    }

    /// A little-endian number of `width` bytes.
    fn length(&mut self, width: usize) -> Result<usize, Fault> {
        let mut number = [0; 8];
        number[..width].copy_from_slice(self.take(width)?);
        usize::try_from(u64::from_le_bytes(number)).map_err(|_| ENDS_EARLY.into())
    }

    fn integer(&mut self, number: usize) {
        self.stack.push(Value::Integer(number as i128));
    }

    /// An integer of any length, of which those that a table can hold fit 16 bytes.
    fn long(&mut self, length: usize) -> Result<(), Fault> {
        let digits = self.take(length)?;
        let mut number = [if digits.last().is_some_and(|last| last & 0x80 != 0) {
            0xff
        } else {
            0
        }; 16];
        let room = number
            .get_mut(..digits.len())
            .ok_or("an integer of more than 16 bytes")?;
        room.copy_from_slice(digits);
        self.stack.push(Value::Integer(i128::from_le_bytes(number)));
        Ok(())
    }

    fn span(&mut self, width: usize) -> Result<Span, Fault> {
        let length = self.length(width)?;
        let start = self.offset;
        self.take(length)?;
        Ok(Span { start, length })
    }

    fn text(&mut self, width: usize) -> Result<(), Fault> {
        let span = self.span(width)?;
        let bytes = &self.bytes[span.start..self.offset];
        std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8")?;
        self.stack.push(Value::Text(span));
        Ok(())
    }

    fn binary(&mut self, width: usize) -> Result<(), Fault> {
        let span = self.span(width)?;
        self.stack.push(Value::Bytes(span));
        Ok(())
    }

    /// The text up to the end of the line.
    fn line(&mut self) -> Result<Span, Fault> {
        let start = self.offset;
        let rest = &self.bytes[start..];
        let length = rest
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(ENDS_EARLY)?;
        self.take(length + 1)?;
        Ok(Span { start, length })
    }

    fn name(&self, value: Value) -> Result<Span, Fault> {
        match value {
            Value::Text(span) => Ok(span),
            _ => Err("a name is not a text".into()),
        }
    }

    fn global(&mut self, module: Span, name: Span) -> Result<(), Fault> {
        let text = |span: Span| {
            String::from_utf8_lossy(&self.bytes[span.start..span.start + span.length]).into_owned()
        };
        let (module, name) = (text(module), text(name));
        match Global::find(&module, &name) {
            Some(global) => self.stack.push(Value::Global(global)),
            None => return Err(Fault::Name(format!("{module}.{name}"))),
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, Fault> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= bottom {
            return Err("it takes more values than there are".into());
        }
        self.stack
            .pop()
            .ok_or_else(|| "it takes more values than there are".into())
    }

    fn since_mark(&mut self) -> Result<Vec<Value>, Fault> {
        let mark = self.marks.pop().ok_or("there is no mark")?;
        Ok(self.stack.split_off(mark))
    }

    fn sequence(&mut self, items: Vec<Value>) {
        self.nodes.push(Node::Sequence(items));
        self.push_node();
    }

    fn push_node(&mut self) {
        self.stack.push(Value::Node(NodeId(self.nodes.len() - 1)));
    }

    fn top_node(&mut self) -> Result<&mut Node, Fault> {
        match self.stack.last() {
            Some(Value::Node(NodeId(index))) => self
                .nodes
                .get_mut(*index)
                .ok_or_else(|| "a value is lost".into()),
            _ => Err("it changes something that cannot be changed".into()),
        }
    }

    fn extend(&mut self, new: Vec<Value>) -> Result<(), Fault> {
        match self.top_node()? {
            Node::Sequence(items) => items.extend(new),
            _ => return Err("it appends to something that is no list".into()),
        }
        Ok(())
    }

    fn insert(&mut self, pairs: &[Value]) -> Result<(), Fault> {
        let Node::Dictionary(entries) = self.top_node()? else {
            return Err("it sets an item of something that is no dictionary".into());
        };
        let (pairs, rest) = pairs.as_chunks::<2>();
        entries.extend(pairs.iter().map(|[key, value]| (*key, *value)));
        if rest.is_empty() {
            Ok(())
        } else {
            Err("a key has no value".into())
        }
    }

    fn remember(&mut self, key: u64) -> Result<(), Fault> {
        let value = *self.stack.last().ok_or("there is nothing to remember")?;
        self.memo.insert(key, value);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), Fault> {
        let value = *self
            .memo
            .get(&key)
            .ok_or("it refers to a value that it did not store")?;
        self.stack.push(value);
        Ok(())
    }
}
