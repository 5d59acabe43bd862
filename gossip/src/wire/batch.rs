//! As many items in a datagram as fit.

use serde::Serialize;

use crate::seal::envelope::MAX_BODY;

/// Splits items into messages that each fit a datagram.
pub(crate) fn batches<T: Clone + Serialize>(items: &[T]) -> Vec<Vec<T>> {
    let mut batches = Vec::new();
    let mut batch = Batch::new(MAX_BODY);
    for item in items {
        if !batch.push(item.clone()) {
            batches.push(std::mem::replace(&mut batch, Batch::new(MAX_BODY)).items);
            // An item that does not fit an empty batch fits nowhere.
            batch.push(item.clone());
        }
    }
    batches.push(batch.items);
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// Items that together, with their count, stay within a number of bytes.
pub(crate) struct Batch<T> {
    pub(crate) items: Vec<T>,
    room: usize,
}

/// Bytes that the count of items may take: a varint up to 16 383.
const COUNT_LEN: usize = 2;

// === impl Batch ===

impl<T: Serialize> Batch<T> {
    pub(crate) const fn new(room: usize) -> Self {
        Self { items: Vec::new(), room: room.saturating_sub(COUNT_LEN) }
    }

    /// Adds the item if it fits.
    pub(crate) fn push(&mut self, item: T) -> bool {
        let Ok(bytes) = postcard::to_allocvec(&item) else { return false };
        let Some(room) = self.room.checked_sub(bytes.len()) else { return false };
        self.room = room;
        self.items.push(item);
        true
    }

    pub(crate) const fn room(&self) -> usize {
        self.room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::Claim;
    use crate::identity::NodeName;
    use crate::testing::claim;
    use crate::wire::Message;

    #[test]
    fn batches_fit_datagrams_and_lose_nothing() {
        let name = "n".repeat(NodeName::MAX_LEN);
        let claims: Vec<Claim> = (0..200_u8).map(|last| claim(last, &name)).collect();
        let batches = batches(&claims);
        assert!(batches.len() > 10);
        for batch in &batches {
            assert!(Message::Claims(batch.clone()).encode().is_some());
        }
        assert_eq!(batches.concat(), claims);
    }
}
