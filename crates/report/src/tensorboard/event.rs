//! The few protocol-buffer messages that a scalar needs, written by hand.
//!
//!     Event       1 wall_time: double   2 step: int64   3 file_version: string   5 summary   7 session_log
//!     Summary     1 value: repeated Value
//!     Value       1 tag: string   2 simple_value: float
//!     SessionLog  1 status: enum, 1 is START
//!
//! A field is its key, `number << 3 | wire type`, then its value; wire types: 0 varint, 1 eight bytes, 2 length and
//! bytes, 5 four bytes.

/// The version of the format that TensorBoard knows; from 2 on it heeds a session's start.
const FILE_VERSION: &str = "brain.Event:2";

/// The first event of every file.
pub(super) fn version(wall_time: f64) -> Vec<u8> {
    let mut event = Message::default();
    event.double(1, wall_time);
    event.bytes(3, FILE_VERSION.as_bytes());
    event.0
}

/// One value of one curve.
pub(super) fn scalar(tag: &str, step: u64, wall_time: f64, value: f32) -> Vec<u8> {
    let mut point = Message::default();
    point.bytes(1, tag.as_bytes());
    point.float(2, value);
    let mut summary = Message::default();
    summary.bytes(1, &point.0);
    let mut event = at(step, wall_time);
    event.bytes(5, &summary.0);
    event.0
}

/// The start of a session: what was recorded before from `step` on is void.
pub(super) fn session_start(step: u64, wall_time: f64) -> Vec<u8> {
    let mut session = Message::default();
    session.varint(1, 1);
    let mut event = at(step, wall_time);
    event.bytes(7, &session.0);
    event.0
}

fn at(step: u64, wall_time: f64) -> Message {
    let mut event = Message::default();
    event.double(1, wall_time);
    // The field is signed; a step beyond its range cannot occur in a run that ends.
    event.varint(2, step.min(i64::MAX as u64));
    event
}

/// A message under construction.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, field: u8, value: u64) {
        self.0.push(field << 3);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u8, value: f64) {
        self.0.push(field << 3 | 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.0.push(field << 3 | 2);
        self.raw_varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn float(&mut self, field: u8, value: f32) {
        self.0.push(field << 3 | 5);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_carry_seven_bits_a_byte() {
        for (value, expected) in [
            (0u64, &[0u8][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (i64::MAX as u64, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ] {
            let mut message = Message::default();
            message.raw_varint(value);
            assert_eq!(message.0, expected, "{value}");
        }
    }

    #[test]
    fn a_scalar_is_an_event_with_a_summary() {
        let mut expected =
            vec![0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 7, 0x2a, 10, 0x0a, 8, 0x0a, 1, b't'];
        expected.extend([0x15, 0, 0, 0, 0x40]);
        assert_eq!(scalar("t", 7, 1.0, 2.0), expected);
        assert_eq!(scalar("t", u64::MAX, 1.0, 2.0), scalar("t", i64::MAX as u64, 1.0, 2.0));
    }
}
