//! Extension items: what later versions say beside what earlier ones understand.
//!
//! ```text
//! tag 1 | length 2 (big-endian) | that many bytes
//! ```
//!
//! Any number of them may follow the record of a message, and the facts of a node consist of nothing else. A reader
//! skips tags that it does not know and bytes of an item behind those that it does; whoever passes facts on passes all
//! items on as they came. Tags are given out here and in [`facts`](crate::facts) once and for ever.

/// In front of the bytes of an item.
const HEADER_LEN: usize = 3;

/// Appends an item. One that is too long for its length field is left out.
pub(crate) fn write(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    let Ok(length) = u16::try_from(bytes.len()) else { return };
    out.reserve(HEADER_LEN.saturating_add(bytes.len()));
    out.push(tag);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
}

/// The items in `bytes`; ends before the first that is cut off.
pub(crate) fn items(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&tag, rest) = bytes.split_first()?;
        let (&length, rest) = rest.split_first_chunk()?;
        let (item, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(length)))?;
        bytes = rest;
        Some((tag, item))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::cases;
    use proptest::prelude::*;

    #[test]
    fn items_are_read_as_they_were_written_and_a_cut_one_ends_them() {
        let mut bytes = Vec::new();
        write(&mut bytes, 1, b"one");
        write(&mut bytes, 200, b"");
        write(&mut bytes, 2, &[7; 300]);
        let found: Vec<_> = items(&bytes).collect();
        assert_eq!(found, [(1, b"one".as_slice()), (200, b"".as_slice()), (2, [7; 300].as_slice())]);
        assert_eq!(items(&bytes[..bytes.len() - 1]).count(), 2);
        assert_eq!(items(&bytes[..2]).count(), 0);
    }

    #[test]
    fn an_item_that_is_too_long_is_left_out() {
        let mut bytes = Vec::new();
        write(&mut bytes, 1, &vec![0; 65_536]);
        assert_eq!(bytes, []);
    }

    proptest! {
        #![proptest_config(cases())]

        #[test]
        fn arbitrary_bytes_hold_no_more_than_they_are(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let held: usize = items(&bytes).map(|(_, item)| item.len() + HEADER_LEN).sum();
            prop_assert!(held <= bytes.len());
        }
    }
}
