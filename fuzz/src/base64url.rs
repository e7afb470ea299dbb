//! base64url without padding (RFC 4648 §5, RFC 7515 §2), by arithmetic on bits.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Writes bytes as text.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 4 / 3 + 4);
    let (whole, rest) = bytes.as_chunks::<3>();
    for [a, b, c] in whole {
        let bits = u32::from_be_bytes([0, *a, *b, *c]);
        text.extend([18, 12, 6, 0].map(|place| character(bits >> place)));
    }
    match rest {
        [a] => text.extend([a >> 2, a << 4].map(|six| character(six.into()))),
        [a, b] => text.extend([a >> 2, a << 4 | b >> 4, b << 2].map(|six| character(six.into()))),
        _ => {}
    }
    text
}

/// The character of the lowest six bits.
fn character(bits: u32) -> char {
    char::from(ALPHABET[(bits & 63) as usize])
}

/// Reads text of which every bit counts. None: it is not the one spelling of any bytes.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(text.len()), 0_u32, 0);
    for character in text.bytes() {
        let six = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // A single character is half a byte, and what is left over is zero.
    (count < 6 && bits == 0).then_some(bytes)
}
