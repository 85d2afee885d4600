//! Which slot of a Cluster a command belongs to.

use redis::{Arg, Cmd};

pub(super) const SLOTS: u16 = 16_384;

/// The slot of the first key of a command; none for a command without a key.
pub(super) fn slot_of(command: &Cmd) -> Option<u16> {
    let mut args = command.args_iter().map(|arg| match arg {
        Arg::Simple(bytes) => bytes,
        _ => b"0",
    });
    let key = match args.next()?.to_ascii_uppercase().as_slice() {
        b"PING" | b"HELLO" | b"INFO" | b"SCRIPT" | b"CLIENT" | b"CLUSTER" | b"CONFIG" | b"SCAN"
        | b"TIME" | b"DBSIZE" | b"WAIT" | b"ROLE" | b"PUBLISH" => None,
        b"EVAL" | b"EVALSHA" | b"EVAL_RO" | b"EVALSHA_RO" | b"FCALL" => match args.nth(1)? {
            b"0" => None,
            _ => args.next(),
        },
        b"OBJECT" | b"MEMORY" | b"XGROUP" | b"XINFO" => args.nth(1),
        _ => args.next(),
    };
    key.map(key_slot)
}

/// CRC16 (XMODEM) of the key, or of what stands in its first pair of braces if that is not empty.
fn key_slot(key: &[u8]) -> u16 {
    crc16(tag(key).unwrap_or(key)) % SLOTS
}

fn tag(key: &[u8]) -> Option<&[u8]> {
    let open = key.iter().position(|byte| *byte == b'{')? + 1;
    let length = key[open..].iter().position(|byte| *byte == b'}')?;
    (length > 0).then(|| &key[open..open + length])
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            let carry = crc & 0x8000 != 0;
            (crc << 1) ^ if carry { 0x1021 } else { 0 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(key_slot(b"123456789"), 0x31c3 % SLOTS);
        assert_eq!(key_slot(b"larder:e:{a}"), key_slot(b"a"));
        assert_eq!(key_slot(b"{}x"), crc16(b"{}x") % SLOTS);
        assert_eq!(key_slot(b"{a}{b}"), key_slot(b"a"));
        assert_eq!(key_slot(b"x{a"), crc16(b"x{a") % SLOTS);
    }

    #[test]
    fn the_key_is_found_where_the_command_has_it() {
        let slot = |parts: &[&str]| {
            let mut command = redis::cmd(parts[0]);
            command.arg(&parts[1..]);
            slot_of(&command)
        };
        let k = Some(key_slot(b"k"));
        assert_eq!(slot(&["get", "k"]), k);
        assert_eq!(slot(&["EVALSHA", "sha", "1", "k", "x"]), k);
        assert_eq!(slot(&["EVAL", "code", "0", "x"]), None);
        assert_eq!(slot(&["OBJECT", "IDLETIME", "k"]), k);
        assert_eq!(slot(&["PING"]), None);
    }
}
