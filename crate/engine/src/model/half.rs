//! Numbers as fp16, to need half the room: rounded to the nearest, which changes them by at most a 2048th.

use half::f16;

/// Little-endian f32 as little-endian f16. None if a number is too large for it, or the bytes are no whole numbers.
pub fn narrow(bytes: &[u8]) -> Option<Vec<u8>> {
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let mut halves = Vec::with_capacity(bytes.len() / 2);
    for four in bytes.chunks_exact(4) {
        let number = f16::from_f32(f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
        if !number.is_finite() {
            return None;
        }
        halves.extend(number.to_le_bytes());
    }
    Some(halves)
}

/// Little-endian f16 as little-endian f32, exactly.
pub fn widen(halves: &[u8]) -> Vec<u8> {
    let numbers = halves.chunks_exact(2).map(|two| f16::from_le_bytes([two[0], two[1]]).to_f32());
    numbers.flat_map(f32::to_le_bytes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(numbers: &[f32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn what_was_narrowed_stays_as_it_is() {
        let numbers = bytes(&[0.0, -1.5, 3.140625, 65504.0, 6e-8]);
        let once = widen(&narrow(&numbers).expect("small numbers"));
        assert_eq!(narrow(&once).map(|halves| widen(&halves)), Some(once.clone()));
        assert_eq!(once[..16], numbers[..16]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(narrow(&bytes(&[1.0, 1e5])), None);
        assert_eq!(narrow(&bytes(&[f32::NAN])), None);
        assert_eq!(narrow(&[0, 0, 0]), None);
    }
}
